//! The entry points of libcuda that dxgrt calls, as the CUDA driver API declares them. Nothing is linked: [`Api::load`] looks
//! each up in a library that was loaded at run time.
//!
//! Names with `_v2` are what the macros of cuda.h make of the plain names; a program that looks symbols up must say them.

use std::ffi::{c_char, c_int, c_uint, c_void};

use libloading::Library;

/// What every call answers.
pub(super) type Status = c_int;
/// A device's number in the driver.
pub(super) type DeviceNumber = c_int;
/// A context.
pub(super) type Context = *mut c_void;
/// A stream.
pub(super) type Stream = *mut c_void;
/// An event.
pub(super) type Event = *mut c_void;
/// A loaded module.
pub(super) type ModuleHandle = *mut c_void;
/// A kernel of a module.
pub(super) type Function = *mut c_void;
/// A device address.
pub(super) type Address = u64;

/// Statuses that mean something of their own here.
pub(super) mod status {
    use super::Status;

    pub const SUCCESS: Status = 0;
    pub const INVALID_VALUE: Status = 1;
    pub const OUT_OF_MEMORY: Status = 2;
    pub const DEINITIALIZED: Status = 4;
    pub const STUB_LIBRARY: Status = 34;
    pub const NO_DEVICE: Status = 100;
    pub const INVALID_DEVICE: Status = 101;
    pub const ECC_UNCORRECTABLE: Status = 214;
    pub const NVLINK_UNCORRECTABLE: Status = 220;
    pub const UNSUPPORTED_PTX_VERSION: Status = 222;
    pub const NOT_FOUND: Status = 500;
    pub const NOT_READY: Status = 600;
    pub const ILLEGAL_ADDRESS: Status = 700;
    pub const LAUNCH_TIMEOUT: Status = 702;
    pub const CONTEXT_IS_DESTROYED: Status = 709;
    pub const ASSERT: Status = 710;
    pub const HARDWARE_STACK_ERROR: Status = 714;
    pub const ILLEGAL_INSTRUCTION: Status = 715;
    pub const MISALIGNED_ADDRESS: Status = 716;
    pub const INVALID_ADDRESS_SPACE: Status = 717;
    pub const INVALID_PC: Status = 718;
    pub const LAUNCH_FAILED: Status = 719;
    pub const SYSTEM_DRIVER_MISMATCH: Status = 803;
    pub const COMPAT_NOT_SUPPORTED: Status = 804;
}

/// Attributes of a device.
pub(super) mod attribute {
    use std::ffi::c_int;

    pub const MAX_THREADS_PER_BLOCK: c_int = 1;
    pub const MAX_BLOCK_X: c_int = 2;
    pub const MAX_GRID_X: c_int = 5;
    pub const MAX_SHARED_PER_BLOCK: c_int = 8;
    pub const MULTIPROCESSORS: c_int = 16;
    pub const UNIFIED_ADDRESSING: c_int = 41;
    pub const COMPUTE_MAJOR: c_int = 75;
    pub const COMPUTE_MINOR: c_int = 76;
    pub const WRITE_VALUE_64_V1: c_int = 93;
    pub const MAX_SHARED_OPT_IN: c_int = 97;
    pub const MAX_BLOCKS_PER_MULTIPROCESSOR: c_int = 106;
    pub const WRITE_VALUE_64_V2: c_int = 122;
}

/// Attributes of a kernel.
pub(super) mod function_attribute {
    use std::ffi::c_int;

    pub const MAX_THREADS: c_int = 0;
    pub const STATIC_SHARED: c_int = 1;
    pub const MAX_DYNAMIC_SHARED: c_int = 8;
}

/// Attributes of an address.
pub(super) mod pointer_attribute {
    use std::ffi::c_int;

    pub const MEMORY_TYPE: c_int = 2;
    pub const DEVICE_ORDINAL: c_int = 9;
    pub const RANGE_START: c_int = 11;
    pub const RANGE_SIZE: c_int = 12;
}

/// `cuMemHostAlloc`: usable in every context, and in the address space of the device.
pub(super) const HOST_ALLOC_FLAGS: c_uint = 0x1 | 0x2;
/// `cuStreamCreateWithPriority`: no order with the legacy default stream.
pub(super) const STREAM_NON_BLOCKING: c_uint = 1;
/// `cuEventCreate`: who waits sleeps, and no time is kept.
pub(super) const EVENT_FLAGS: c_uint = 0x1 | 0x2;
/// `extra` of `cuLaunchKernel`: what follows are the packed arguments, their size, the end.
pub(super) const LAUNCH_ARGUMENTS: *mut c_void = std::ptr::without_provenance_mut(1);
pub(super) const LAUNCH_ARGUMENTS_SIZE: *mut c_void = std::ptr::without_provenance_mut(2);
/// `cuModuleLoadDataEx`: where the compiler writes what is wrong.
pub(super) const JIT_ERROR_LOG: c_int = 5;
pub(super) const JIT_ERROR_LOG_BYTES: c_int = 6;

/// `CUlaunchConfig`.
#[repr(C)]
pub(super) struct LaunchConfig {
    pub grid: [c_uint; 3],
    pub block: [c_uint; 3],
    pub shared: c_uint,
    pub stream: Stream,
    pub attributes: *const LaunchAttribute,
    pub attribute_count: c_uint,
}

/// `CUlaunchAttribute`: a number, and a union of 64 bytes.
#[repr(C)]
pub(super) struct LaunchAttribute {
    pub id: c_int,
    pub padding: [u8; 4],
    pub value: LaunchAttributeValue,
}

/// `CUlaunchAttributeValue`, of which only the priority is used.
#[repr(C, align(8))]
pub(super) struct LaunchAttributeValue {
    pub priority: c_int,
    pub rest: [u8; 60],
}

/// `CU_LAUNCH_ATTRIBUTE_PRIORITY`.
pub(super) const LAUNCH_ATTRIBUTE_PRIORITY: c_int = 8;

const _: () = assert!(size_of::<LaunchConfig>() == 56 && size_of::<LaunchAttribute>() == 72);

macro_rules! entry_points {
    (
        required { $( $name:ident = $symbol:literal ( $($argument:ty),* ); )* }
        optional { $( $may:ident = $may_symbol:literal ( $($may_argument:ty),* ); )* }
    ) => {
        /// The driver's entry points, and the library that holds them.
        pub(super) struct Api {
            $( pub $name: unsafe extern "C" fn($($argument),*) -> Status, )*
            $( pub $may: Option<unsafe extern "C" fn($($may_argument),*) -> Status>, )*
            /// Never unloaded: libcuda has threads and exit handlers of its own.
            #[cfg_attr(not(feature = "bench"), expect(dead_code, reason = "held so that it stays loaded"))]
            library: std::mem::ManuallyDrop<Library>,
        }

        impl Api {
            /// Looks every entry point up; the name of the first that is missing.
            ///
            /// # Safety
            ///
            /// The library is the CUDA driver's, or has functions of the same types under these names.
            pub unsafe fn load(library: Library) -> Result<Self, &'static str> {
                // SAFETY: needed because symbols have no types; the caller vouches for them.
                unsafe {
                    Ok(Api {
                        $( $name: *library.get(concat!($symbol, "\0").as_bytes()).map_err(|_| $symbol)?, )*
                        $( $may: library.get(concat!($may_symbol, "\0").as_bytes()).ok().map(|symbol| *symbol), )*
                        library: std::mem::ManuallyDrop::new(library),
                    })
                }
            }

            /// Looks another entry point up.
            ///
            /// # Safety
            ///
            /// `T` is its type.
            #[cfg(feature = "bench")]
            pub unsafe fn symbol<T: Copy>(&self, name: &[u8]) -> Option<T> {
                // SAFETY: needed because symbols have no types; the caller vouches for this one's.
                unsafe { self.library.get::<T>(name).ok().map(|symbol| *symbol) }
            }
        }
    };
}

entry_points! {
    required {
        init = "cuInit" (c_uint);
        driver_version = "cuDriverGetVersion" (*mut c_int);
        error_name = "cuGetErrorName" (Status, *mut *const c_char);
        error_string = "cuGetErrorString" (Status, *mut *const c_char);
        device_count = "cuDeviceGetCount" (*mut c_int);
        device_get = "cuDeviceGet" (*mut DeviceNumber, c_int);
        device_name = "cuDeviceGetName" (*mut c_char, c_int, DeviceNumber);
        device_memory = "cuDeviceTotalMem_v2" (*mut usize, DeviceNumber);
        device_attribute = "cuDeviceGetAttribute" (*mut c_int, c_int, DeviceNumber);
        primary_retain = "cuDevicePrimaryCtxRetain" (*mut Context, DeviceNumber);
        primary_release = "cuDevicePrimaryCtxRelease_v2" (DeviceNumber);
        context_current = "cuCtxGetCurrent" (*mut Context);
        context_push = "cuCtxPushCurrent_v2" (Context);
        context_pop = "cuCtxPopCurrent_v2" (*mut Context);
        context_device = "cuCtxGetDevice" (*mut DeviceNumber);
        priority_range = "cuCtxGetStreamPriorityRange" (*mut c_int, *mut c_int);
        memory_info = "cuMemGetInfo_v2" (*mut usize, *mut usize);
        memory_allocate = "cuMemAlloc_v2" (*mut Address, usize);
        memory_free = "cuMemFree_v2" (Address);
        host_allocate = "cuMemHostAlloc" (*mut *mut c_void, usize, c_uint);
        host_free = "cuMemFreeHost" (*mut c_void);
        host_address = "cuMemHostGetDevicePointer_v2" (*mut Address, *mut c_void, c_uint);
        pointer_attribute = "cuPointerGetAttribute" (*mut c_void, c_int, Address);
        copy = "cuMemcpyAsync" (Address, Address, usize, Stream);
        fill_8 = "cuMemsetD8Async" (Address, u8, usize, Stream);
        fill_16 = "cuMemsetD16Async" (Address, u16, usize, Stream);
        fill_32 = "cuMemsetD32Async" (Address, c_uint, usize, Stream);
        stream_create = "cuStreamCreateWithPriority" (*mut Stream, c_uint, c_int);
        stream_destroy = "cuStreamDestroy_v2" (Stream);
        stream_query = "cuStreamQuery" (Stream);
        stream_synchronize = "cuStreamSynchronize" (Stream);
        stream_wait_event = "cuStreamWaitEvent" (Stream, Event, c_uint);
        event_create = "cuEventCreate" (*mut Event, c_uint);
        event_destroy = "cuEventDestroy_v2" (Event);
        event_record = "cuEventRecord" (Event, Stream);
        event_query = "cuEventQuery" (Event);
        event_synchronize = "cuEventSynchronize" (Event);
        module_load = "cuModuleLoadDataEx" (*mut ModuleHandle, *const c_void, c_uint, *mut c_int, *mut *mut c_void);
        module_unload = "cuModuleUnload" (ModuleHandle);
        module_function = "cuModuleGetFunction" (*mut Function, ModuleHandle, *const c_char);
        function_attribute = "cuFuncGetAttribute" (*mut c_int, c_int, Function);
        function_set_attribute = "cuFuncSetAttribute" (Function, c_int, c_int);
        launch = "cuLaunchKernel" (
            Function, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Stream, *mut *mut c_void, *mut *mut c_void
        );
    }
    optional {
        write_value_64 = "cuStreamWriteValue64" (Stream, Address, u64, c_uint);
        launch_ex = "cuLaunchKernelEx" (*const LaunchConfig, Function, *mut *mut c_void, *mut *mut c_void);
        write_value_64_v2 = "cuStreamWriteValue64_v2" (Stream, Address, u64, c_uint);
    }
}

// SAFETY: needed because of the library handle. Entry points of the driver may be called from any thread.
unsafe impl Send for Api {}
// SAFETY: as above.
unsafe impl Sync for Api {}
