//! Tracer, recorder and fault injector over a scripted boundary.

mod fake;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dxg_io::boundary::{Boundary, RawOutcome, Traffic};
use dxg_io::call::Dxg;
use dxg_io::error::Error;
use dxg_io::middleware::{Action, FaultInjector, Recorder, Rule, Tracer, Which};
use dxg_io::object::{Adapter, Device};
use dxg_io::sys::*;
use fake::Script;

#[test]
fn the_tracer_counts_calls_failures_and_traffic_by_ioctl() -> Result<(), Error> {
    let script = Script::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let tracer = Tracer::new(script.boundary()).with_callback(move |call| {
        noted.lock().expect("nothing panics with it").push((call.ioctl.map(|i| i.name), call.outcome.ret));
    });
    let counts = tracer.counts();
    let dxg = Dxg::new(tracer);
    script.answer(LX_DXENUMADAPTERS2, RawOutcome::failed(libc::EAGAIN));
    assert!(dxg.enum_adapters2().is_err_and(|e| e.is_throttled()));
    dxg.enum_adapters2()?;
    dxg.open_adapter_from_luid(winluid { a: 1, b: 0 })?;
    let of = counts.of(LX_DXENUMADAPTERS2);
    assert_eq!((of.name, of.calls, of.failures, of.round_trips), ("LX_DXENUMADAPTERS2", 2, 1, 2));
    let total = counts.total();
    assert_eq!((total.calls, total.failures), (3, 1));
    assert_eq!((total.payload_bytes, total.ring_bytes), (96, 3 * Traffic::ring_cost(32)));
    assert_eq!(counts.by_call().len(), 2);
    let seen = seen.lock().expect("nothing panics with it");
    assert_eq!(seen[0], (Some("LX_DXENUMADAPTERS2"), -1));
    assert_eq!(seen.len(), 3);
    assert_eq!((dxg.calls(), dxg.traffic().round_trips), (3, 3));
    Ok(())
}

#[test]
fn requests_that_are_not_the_drivers_are_counted_too() {
    let tracer = Tracer::new(Script::new().boundary());
    let mut bytes = [0u8; 64];
    // SAFETY: the request is unknown, so nobody looks at the argument.
    let outcome = unsafe { tracer.ioctl(0xc004_4703, bytes.as_mut_ptr().cast()) };
    assert_eq!(outcome.errno, libc::ENOTTY);
    assert_eq!(tracer.counts().of(0xc004_4703).calls, 1);
    assert_eq!(tracer.counts().total().failures, 1);
    assert_eq!(tracer.name(), "fake");
}

#[test]
fn the_recorder_keeps_the_last_calls_as_json_lines() -> Result<(), Error> {
    let script = Script::new();
    let recorder = Recorder::new(script.boundary(), 2);
    let recording = recorder.recording();
    let dxg = Dxg::new(recorder);
    dxg.enum_adapters2()?;
    let adapter = dxg.open_adapter_from_luid(winluid { a: 7, b: 9 })?;
    dxg.create_device(adapter, Default::default())?;
    assert_eq!(recording.dropped(), 1);
    let records = recording.take();
    assert_eq!(records.iter().map(|r| r.sequence).collect::<Vec<_>>(), [1, 2]);
    let before = d3dkmt_openadapterfromluid::from_bytes(&records[0].before).unwrap_or_default();
    let after = d3dkmt_openadapterfromluid::from_bytes(&records[0].after).unwrap_or_default();
    assert_eq!((before.adapter_luid.a, before.adapter_handle.v), (7, 0));
    assert_eq!(after.adapter_handle, adapter);
    let line = records[0].to_json_line();
    assert!(!line.contains('\n'));
    let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
    assert_eq!(json["name"], "LX_DXOPENADAPTERFROMLUID");
    assert_eq!(json["request"], "0xc00c4701");
    assert_eq!(json["before"], "070000000900000000000000");
    assert_eq!((&json["ret"], &json["round_trips"]), (&0.into(), &1.into()));
    assert!(recording.take().is_empty());
    Ok(())
}

/// A device over a fault injector over a script.
fn device(script: &Arc<Script>) -> Result<(Device, Arc<dxg_io::middleware::Faults>), Error> {
    let injector = FaultInjector::new(script.boundary());
    let faults = injector.faults();
    let dxg = Dxg::new(injector);
    let device = Device::create(&Adapter::open(&dxg, winluid { a: 1, b: 0 })?)?;
    script.take();
    Ok((device, faults))
}

#[test]
fn the_nth_call_of_a_kind_fails_before_it_takes_effect() -> Result<(), Error> {
    let script = Script::new();
    let (device, faults) = device(&script)?;
    faults.add(Rule::fail_nth(LX_DXCREATESYNCHRONIZATIONOBJECT, 2, libc::ENOMEM));
    let first = device.create_fence(Default::default())?;
    assert!(device.create_fence(Default::default()).is_err_and(|e| e.is_out_of_memory()));
    let third = device.create_fence(Default::default())?;
    assert_eq!(script.take().iter().filter(|c| c.0 == "CREATESYNCHRONIZATIONOBJECT").count(), 2);
    assert_eq!(faults.fired(), 1);
    drop((first, third));
    Ok(())
}

#[test]
fn an_answer_can_be_lost_after_the_call_took_effect() -> Result<(), Error> {
    let script = Script::new();
    let (device, faults) = device(&script)?;
    let action = Action::FailAfter(RawOutcome::returned(0xC000_000D_u32 as i32));
    faults.add(Rule { which: Which::Any, nth: 1, times: 1, action });
    let error = device.execution_state().err();
    assert_eq!(script.take(), [("GETDEVICESTATE", 1)]);
    assert!(matches!(error, Some(Error::Failed { errno: None, .. })), "{error:?}");
    assert!(device.execution_state()?.is_active());
    Ok(())
}

#[test]
fn a_call_can_be_delayed() -> Result<(), Error> {
    let (device, faults) = device(&Script::new())?;
    let action = Action::Delay(Duration::from_millis(20));
    faults.add(Rule { which: Which::Request(LX_DXGETDEVICESTATE), nth: 1, times: 1, action });
    let began = Instant::now();
    device.execution_state()?;
    assert!(began.elapsed() >= Duration::from_millis(20));
    Ok(())
}

#[test]
fn a_lost_device_answers_so_until_it_is_given_back_and_still_destroys() -> Result<(), Error> {
    let script = Script::new();
    let (device, faults) = device(&script)?;
    let fence = device.create_fence(Default::default())?;
    faults.lose_device_from(2);
    assert!(device.execution_state()?.is_active());
    assert!(device.execution_state().is_err_and(|e| e.is_device_lost()));
    assert!(device.create_fence(Default::default()).is_err_and(|e| e.is_device_lost()));
    assert_eq!(device.dxg().enum_adapters2()?.len(), 2);
    script.take();
    drop(fence);
    assert_eq!(script.take().first().map(|c| c.0), Some("DESTROYSYNCHRONIZATIONOBJECT"));
    assert_eq!(device.dxg().failed_teardowns(), 1);
    faults.clear();
    assert!(device.execution_state()?.is_active());
    Ok(())
}
