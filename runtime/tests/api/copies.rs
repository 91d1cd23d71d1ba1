//! Copies in, out and between, and fills, of every odd size.

use bytes::Bytes;
use dxg_runtime::Error;

use super::common::{block_on, device};

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 251) as u8).collect()
}

#[test]
fn bytes_come_back_as_they_went_in_whatever_the_size() {
    let device = device();
    let stream = device.stream().unwrap();
    block_on(async {
        // Around cache lines, pages, staging pieces, and beyond what staging holds in one piece.
        for len in
            [0, 1, 3, 63, 64, 65, 4095, 4096, 4097, 100_003, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 7]
        {
            let data = pattern(len);
            let x = device.alloc::<u8>(len).unwrap();
            stream.copy_in(&x, data.as_slice()).await.unwrap();
            let back = stream.copy_out(&x).await.unwrap().await.unwrap();
            assert!(back == data, "{len} bytes came back changed");
        }
    });
}

#[test]
fn every_kind_of_source_can_be_copied_in() {
    let device = device();
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(3).unwrap();
    let read = || stream.try_copy_out(&x).unwrap().wait().unwrap();
    block_on(async {
        stream.copy_in(&x, [1u32, 2, 3].as_slice()).await.unwrap();
        assert_eq!(read(), [1, 2, 3]);
        stream.copy_in(&x, vec![4u32, 5, 6]).await.unwrap();
        assert_eq!(read(), [4, 5, 6]);
        stream.copy_in(&x, [7u32, 8, 9]).await.unwrap();
        assert_eq!(read(), [7, 8, 9]);
        stream.copy_in(&x, Bytes::from_static(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])).await.unwrap();
        assert_eq!(read(), [1, 2, 3]);
        let host = device.host_buffer::<u32>(3).unwrap();
        host.write().unwrap().copy_from_slice(&[10, 11, 12]);
        stream.copy_in(&x, &host).await.unwrap();
        assert_eq!(read(), [10, 11, 12]);
    });
}

#[test]
fn the_source_may_change_once_the_copy_is_accepted() {
    let device = device();
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    block_on(async {
        let mut data = [1u32; 4];
        stream.copy_in(&x, &data).await.unwrap();
        data.fill(99);
        assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [1; 4]);
    });
}

#[test]
fn slices_copy_their_own_elements_only() {
    let device = device();
    let stream = device.stream().unwrap();
    let (x, y) = (device.alloc::<u16>(10).unwrap(), device.alloc::<u16>(10).unwrap());
    block_on(async {
        stream.copy_in(&x, (0..10u16).collect::<Vec<_>>()).await.unwrap();
        stream.fill(&y, 100u16).await.unwrap();
        stream.copy(x.slice(2..5).unwrap(), y.slice(7..).unwrap()).await.unwrap();
        stream.fill(y.slice(1..=2).unwrap(), 7u16).await.unwrap();
        let back = stream.copy_out(&y).await.unwrap().await.unwrap();
        assert_eq!(back, [100, 7, 7, 100, 100, 100, 100, 2, 3, 4]);
        let nested = x.slice(2..8).unwrap().slice(1..3).unwrap();
        assert_eq!(stream.copy_out(&nested).await.unwrap().await.unwrap(), [3, 4]);
        let bytes = x.slice(1..2).unwrap().bytes();
        assert_eq!(stream.copy_out(&bytes).await.unwrap().await.unwrap(), 1u16.to_ne_bytes());
    });
}

#[test]
fn fills_of_one_two_four_and_eight_bytes() {
    let device = device();
    let stream = device.stream().unwrap();
    let x = device.alloc::<u64>(5).unwrap();
    block_on(async {
        stream.fill(&x, 0x0102_0304_0506_0708u64).await.unwrap();
        assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [0x0102_0304_0506_0708; 5]);
        stream.fill(x.as_slice().cast::<u32>().unwrap(), 0xa1b2_c3d4u32).await.unwrap();
        assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [0xa1b2_c3d4_a1b2_c3d4; 5]);
        stream.fill(x.as_slice().cast::<u16>().unwrap(), 0xbeefu16).await.unwrap();
        assert_eq!(stream.copy_out(&x).await.unwrap().await.unwrap(), [0xbeef_beef_beef_beef; 5]);
        stream.fill(x.as_slice().bytes().slice(3..37).unwrap(), 0x11u8).await.unwrap();
        let back = stream.copy_out(&x).await.unwrap().await.unwrap();
        assert_eq!(
            back,
            [
                0x1111_1111_11ef_beef,
                0x1111_1111_1111_1111,
                0x1111_1111_1111_1111,
                0x1111_1111_1111_1111,
                0xbeef_be11_1111_1111
            ]
        );
    });
}

#[test]
fn copies_of_nothing_complete_in_their_place() {
    let device = device();
    let stream = device.stream().unwrap();
    let (empty, other) = (device.alloc::<f32>(0).unwrap(), device.alloc::<f32>(0).unwrap());
    assert_ne!(empty.address(), 0);
    assert_ne!(empty.address(), other.address());
    block_on(async {
        stream.copy_in(&empty, &[]).await.unwrap().await.unwrap();
        stream.copy(&empty, &other).await.unwrap().await.unwrap();
        stream.fill(&empty, 1.0f32).await.unwrap().await.unwrap();
        assert!(stream.copy_out(&empty).await.unwrap().await.unwrap().is_empty());
        let host = device.host_buffer::<f32>(0).unwrap();
        stream.copy_out_into(&empty, &host).await.unwrap().await.unwrap();
        assert!(host.read().unwrap().is_empty());
    });
}

#[test]
fn read_backs_may_be_left_lying_and_read_in_any_order() {
    let device = device();
    let stream = device.stream().unwrap();
    let x = device.alloc::<u8>(1 << 20).unwrap();
    block_on(async {
        // Far more than the staging memory holds at once.
        let mut backs = Vec::new();
        for value in 0..80u8 {
            stream.fill(&x, value).await.unwrap();
            backs.push((value, stream.copy_out(&x).await.unwrap()));
        }
        for (value, back) in backs.into_iter().rev() {
            let data = back.await.unwrap();
            assert_eq!(data.len(), 1 << 20);
            assert!(data.iter().all(|byte| *byte == value), "read-back {value} holds something else");
        }
    });
}

#[test]
fn read_backs_can_be_waited_for_and_read_into_place() {
    let device = device();
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    stream.try_fill(&x, 5u32).unwrap();
    assert_eq!(stream.try_copy_out(&x).unwrap().wait().unwrap(), [5; 4]);
    let mut out = [0; 4];
    stream.try_copy_out(&x).unwrap().wait_into(&mut out).unwrap();
    assert_eq!(out, [5; 4]);
    let mut short = [0; 3];
    let error = block_on(stream.try_copy_out(&x).unwrap().read_into(&mut short)).unwrap_err();
    assert!(matches!(error, Error::LengthMismatch { source_len: 4, destination_len: 3, .. }), "{error}");
}

#[test]
fn a_host_buffer_is_kept_from_the_host_while_the_device_uses_it() {
    let device = device();
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(1000).unwrap();
    let host = device.host_buffer::<u32>(1000).unwrap();
    assert!(host.read().unwrap().iter().all(|value| *value == 0));
    block_on(async {
        stream.fill(&x, 3u32).await.unwrap();
        {
            let guard = host.read().unwrap();
            let refused = stream.copy_out_into(&x, &host).await.unwrap_err();
            assert!(matches!(refused, Error::Busy { .. }), "{refused}");
            assert!(matches!(host.write().map(|_| ()), Err(Error::Busy { .. })));
            assert_eq!(guard.len(), 1000);
        }
        let done = stream.copy_out_into(&x, &host).await.unwrap();
        done.await.unwrap();
        assert_eq!(*host.read().unwrap(), [3; 1000]);
        host.write().unwrap()[0] = 4;
        stream.copy_in(&x, &host).await.unwrap().await.unwrap();
        assert_eq!(stream.copy_out(x.slice(..2).unwrap()).await.unwrap().await.unwrap(), [4, 3]);
    });
}
