//! Whether a device is alive, and if not, why. Asking costs no message as long as it is.

use std::time::Duration;

use dxg_io::error::Error as DxgError;
use dxg_io::object::{Device, ExecutionState};

use crate::error::{LostCause, LostReason};

/// The host raises fences and the device's state with separate messages: the second may be this late.
const STATE_DELAY: Duration = Duration::from_millis(20);
/// Between two looks at the state in that time.
const STATE_POLL: Duration = Duration::from_millis(1);

/// Asks the driver. `fence_lost`: a fence shows a value that nobody submitted, so the device is lost whatever its state.
pub(super) fn check(device: &Device, fence_lost: bool) -> Result<(), LostCause> {
    let mut waited = Duration::ZERO;
    loop {
        match device.execution_state() {
            Ok(ExecutionState::Active) => {}
            Ok(state) => return Err(cause(device, state)),
            Err(error) => {
                let unknown = || LostCause::new(LostReason::Driver, error.to_string());
                return Err(of_error(&error).unwrap_or_else(unknown));
            }
        }
        if !fence_lost {
            return Ok(());
        }
        if waited >= STATE_DELAY {
            let message = "a progress fence went to its maximum, and the device says no more";
            return Err(LostCause::new(LostReason::Driver, message));
        }
        std::thread::sleep(STATE_POLL);
        waited += STATE_POLL;
    }
}

/// What a refused call says about the device: `None` if it may be alive.
pub(super) fn of_error(error: &DxgError) -> Option<LostCause> {
    error.is_device_lost().then(|| LostCause::new(LostReason::Removed, error.to_string()))
}

fn cause(device: &Device, state: ExecutionState) -> LostCause {
    // The host notes operation and address with every fault, whatever its kind.
    let details = device.page_fault_state().ok();
    let (reason, message) = match state {
        ExecutionState::PageFault => {
            let address = details.map_or(0, |details| details.faulted_virtual_address);
            (LostReason::PageFault { address }, "an operation used memory that is not mapped, or may not be written")
        }
        ExecutionState::Reset => (LostReason::Timeout, "the device was reset: work ran longer than the host allows"),
        ExecutionState::Hung => (LostReason::Timeout, "the device hung: work ran longer than the host allows"),
        ExecutionState::Stopped => (LostReason::Removed, "the device was stopped"),
        ExecutionState::OutOfMemory => (LostReason::Fault, "the host ran out of memory for the device"),
        ExecutionState::Fault => (LostReason::Fault, "the device refused a command"),
        _ => (LostReason::Driver, "the device is in a state that this library does not know"),
    };
    let mut cause = LostCause::new(reason, message);
    cause.operation = details.map(|details| details.faulted_primitive_api_sequence_number).filter(|tag| *tag != 0);
    cause
}
