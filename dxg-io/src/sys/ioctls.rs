//! Request codes.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

use super::support::argument;
use super::*;

/// Request 0x01, argument [`d3dkmt_openadapterfromluid`](super::d3dkmt_openadapterfromluid), 12 bytes.
pub const LX_DXOPENADAPTERFROMLUID: u32 = 0xc00c4701;
/// Request 0x02, argument [`d3dkmt_createdevice`](super::d3dkmt_createdevice), 64 bytes.
pub const LX_DXCREATEDEVICE: u32 = 0xc0404702;
/// Request 0x04, argument [`d3dkmt_createcontextvirtual`](super::d3dkmt_createcontextvirtual), 40 bytes.
pub const LX_DXCREATECONTEXTVIRTUAL: u32 = 0xc0284704;
/// Request 0x05, argument [`d3dkmt_destroycontext`](super::d3dkmt_destroycontext), 4 bytes.
pub const LX_DXDESTROYCONTEXT: u32 = 0xc0044705;
/// Request 0x06, argument [`d3dkmt_createallocation`](super::d3dkmt_createallocation), 72 bytes.
pub const LX_DXCREATEALLOCATION: u32 = 0xc0484706;
/// Request 0x07, argument [`d3dkmt_createpagingqueue`](super::d3dkmt_createpagingqueue), 32 bytes.
pub const LX_DXCREATEPAGINGQUEUE: u32 = 0xc0204707;
/// Request 0x08, argument [`d3dddi_reservegpuvirtualaddress`](super::d3dddi_reservegpuvirtualaddress), 72 bytes.
pub const LX_DXRESERVEGPUVIRTUALADDRESS: u32 = 0xc0484708;
/// Request 0x09, argument [`d3dkmt_queryadapterinfo`](super::d3dkmt_queryadapterinfo), 24 bytes.
pub const LX_DXQUERYADAPTERINFO: u32 = 0xc0184709;
/// Request 0x0a, argument [`d3dkmt_queryvideomemoryinfo`](super::d3dkmt_queryvideomemoryinfo), 56 bytes.
pub const LX_DXQUERYVIDEOMEMORYINFO: u32 = 0xc038470a;
/// Request 0x0b, argument [`d3dddi_makeresident`](super::d3dddi_makeresident), 48 bytes.
pub const LX_DXMAKERESIDENT: u32 = 0xc030470b;
/// Request 0x0c, argument [`d3dddi_mapgpuvirtualaddress`](super::d3dddi_mapgpuvirtualaddress), 104 bytes.
pub const LX_DXMAPGPUVIRTUALADDRESS: u32 = 0xc068470c;
/// Request 0x0d, argument [`d3dkmt_escape`](super::d3dkmt_escape), 32 bytes.
pub const LX_DXESCAPE: u32 = 0xc020470d;
/// Request 0x0e, argument [`d3dkmt_getdevicestate`](super::d3dkmt_getdevicestate), 56 bytes.
pub const LX_DXGETDEVICESTATE: u32 = 0xc038470e;
/// Request 0x0f, argument [`d3dkmt_submitcommand`](super::d3dkmt_submitcommand), 384 bytes.
pub const LX_DXSUBMITCOMMAND: u32 = 0xc180470f;
/// Request 0x10, argument [`d3dkmt_createsynchronizationobject2`](super::d3dkmt_createsynchronizationobject2), 96 bytes.
pub const LX_DXCREATESYNCHRONIZATIONOBJECT: u32 = 0xc0604710;
/// Request 0x11, argument [`d3dkmt_signalsynchronizationobject2`](super::d3dkmt_signalsynchronizationobject2), 464 bytes.
pub const LX_DXSIGNALSYNCHRONIZATIONOBJECT: u32 = 0xc1d04711;
/// Request 0x12, argument [`d3dkmt_waitforsynchronizationobject2`](super::d3dkmt_waitforsynchronizationobject2), 200 bytes.
pub const LX_DXWAITFORSYNCHRONIZATIONOBJECT: u32 = 0xc0c84712;
/// Request 0x13, argument [`d3dkmt_destroyallocation2`](super::d3dkmt_destroyallocation2), 24 bytes.
pub const LX_DXDESTROYALLOCATION2: u32 = 0xc0184713;
/// Request 0x14, argument [`d3dkmt_enumadapters2`](super::d3dkmt_enumadapters2), 16 bytes.
pub const LX_DXENUMADAPTERS2: u32 = 0xc0104714;
/// Request 0x15, argument [`d3dkmt_closeadapter`](super::d3dkmt_closeadapter), 4 bytes.
pub const LX_DXCLOSEADAPTER: u32 = 0xc0044715;
/// Request 0x16, argument [`d3dkmt_changevideomemoryreservation`](super::d3dkmt_changevideomemoryreservation), 32 bytes.
pub const LX_DXCHANGEVIDEOMEMORYRESERVATION: u32 = 0xc0204716;
/// Request 0x18, argument [`d3dkmt_createhwqueue`](super::d3dkmt_createhwqueue), 48 bytes.
pub const LX_DXCREATEHWQUEUE: u32 = 0xc0304718;
/// Request 0x19, argument [`d3dkmt_destroydevice`](super::d3dkmt_destroydevice), 4 bytes.
pub const LX_DXDESTROYDEVICE: u32 = 0xc0044719;
/// Request 0x1b, argument [`d3dkmt_destroyhwqueue`](super::d3dkmt_destroyhwqueue), 4 bytes.
pub const LX_DXDESTROYHWQUEUE: u32 = 0xc004471b;
/// Request 0x1c, argument [`d3dddi_destroypagingqueue`](super::d3dddi_destroypagingqueue), 4 bytes.
pub const LX_DXDESTROYPAGINGQUEUE: u32 = 0xc004471c;
/// Request 0x1d, argument [`d3dkmt_destroysynchronizationobject`](super::d3dkmt_destroysynchronizationobject), 4 bytes.
pub const LX_DXDESTROYSYNCHRONIZATIONOBJECT: u32 = 0xc004471d;
/// Request 0x1e, argument [`d3dkmt_evict`](super::d3dkmt_evict), 32 bytes.
pub const LX_DXEVICT: u32 = 0xc020471e;
/// Request 0x1f, argument [`d3dkmt_flushheaptransitions`](super::d3dkmt_flushheaptransitions), 4 bytes.
pub const LX_DXFLUSHHEAPTRANSITIONS: u32 = 0xc004471f;
/// Request 0x20, argument [`d3dkmt_freegpuvirtualaddress`](super::d3dkmt_freegpuvirtualaddress), 24 bytes.
pub const LX_DXFREEGPUVIRTUALADDRESS: u32 = 0xc0184720;
/// Request 0x21, argument [`d3dkmt_getcontextinprocessschedulingpriority`](super::d3dkmt_getcontextinprocessschedulingpriority), 8 bytes.
pub const LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY: u32 = 0xc0084721;
/// Request 0x22, argument [`d3dkmt_getcontextschedulingpriority`](super::d3dkmt_getcontextschedulingpriority), 8 bytes.
pub const LX_DXGETCONTEXTSCHEDULINGPRIORITY: u32 = 0xc0084722;
/// Request 0x25, argument [`d3dkmt_lock2`](super::d3dkmt_lock2), 24 bytes.
pub const LX_DXLOCK2: u32 = 0xc0184725;
/// Request 0x26, argument [`d3dkmt_markdeviceaserror`](super::d3dkmt_markdeviceaserror), 8 bytes.
pub const LX_DXMARKDEVICEASERROR: u32 = 0xc0084726;
/// Request 0x27, argument [`d3dkmt_offerallocations`](super::d3dkmt_offerallocations), 40 bytes.
pub const LX_DXOFFERALLOCATIONS: u32 = 0xc0284727;
/// Request 0x2a, argument [`d3dkmt_queryallocationresidency`](super::d3dkmt_queryallocationresidency), 32 bytes.
pub const LX_DXQUERYALLOCATIONRESIDENCY: u32 = 0xc020472a;
/// Request 0x2c, argument [`d3dkmt_reclaimallocations2`](super::d3dkmt_reclaimallocations2), 40 bytes.
pub const LX_DXRECLAIMALLOCATIONS2: u32 = 0xc028472c;
/// Request 0x2e, argument [`d3dkmt_setallocationpriority`](super::d3dkmt_setallocationpriority), 32 bytes.
pub const LX_DXSETALLOCATIONPRIORITY: u32 = 0xc020472e;
/// Request 0x2f, argument [`d3dkmt_setcontextinprocessschedulingpriority`](super::d3dkmt_setcontextinprocessschedulingpriority), 8 bytes.
pub const LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY: u32 = 0xc008472f;
/// Request 0x30, argument [`d3dkmt_setcontextschedulingpriority`](super::d3dkmt_setcontextschedulingpriority), 8 bytes.
pub const LX_DXSETCONTEXTSCHEDULINGPRIORITY: u32 = 0xc0084730;
/// Request 0x31, argument [`d3dkmt_signalsynchronizationobjectfromcpu`](super::d3dkmt_signalsynchronizationobjectfromcpu), 32 bytes.
pub const LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU: u32 = 0xc0204731;
/// Request 0x32, argument [`d3dkmt_signalsynchronizationobjectfromgpu`](super::d3dkmt_signalsynchronizationobjectfromgpu), 80 bytes.
pub const LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU: u32 = 0xc0504732;
/// Request 0x33, argument [`d3dkmt_signalsynchronizationobjectfromgpu2`](super::d3dkmt_signalsynchronizationobjectfromgpu2), 96 bytes.
pub const LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2: u32 = 0xc0604733;
/// Request 0x34, argument [`d3dkmt_submitcommandtohwqueue`](super::d3dkmt_submitcommandtohwqueue), 56 bytes.
pub const LX_DXSUBMITCOMMANDTOHWQUEUE: u32 = 0xc0384734;
/// Request 0x35, argument [`d3dkmt_submitsignalsyncobjectstohwqueue`](super::d3dkmt_submitsignalsyncobjectstohwqueue), 40 bytes.
pub const LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE: u32 = 0xc0284735;
/// Request 0x36, argument [`d3dkmt_submitwaitforsyncobjectstohwqueue`](super::d3dkmt_submitwaitforsyncobjectstohwqueue), 24 bytes.
pub const LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE: u32 = 0xc0184736;
/// Request 0x37, argument [`d3dkmt_unlock2`](super::d3dkmt_unlock2), 8 bytes.
pub const LX_DXUNLOCK2: u32 = 0xc0084737;
/// Request 0x38, argument [`d3dddi_updateallocproperty`](super::d3dddi_updateallocproperty), 40 bytes.
pub const LX_DXUPDATEALLOCPROPERTY: u32 = 0xc0284738;
/// Request 0x39, argument [`d3dkmt_updategpuvirtualaddress`](super::d3dkmt_updategpuvirtualaddress), 56 bytes.
pub const LX_DXUPDATEGPUVIRTUALADDRESS: u32 = 0xc0384739;
/// Request 0x3a, argument [`d3dkmt_waitforsynchronizationobjectfromcpu`](super::d3dkmt_waitforsynchronizationobjectfromcpu), 40 bytes.
pub const LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU: u32 = 0xc028473a;
/// Request 0x3b, argument [`d3dkmt_waitforsynchronizationobjectfromgpu`](super::d3dkmt_waitforsynchronizationobjectfromgpu), 80 bytes.
pub const LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU: u32 = 0xc050473b;
/// Request 0x3c, argument [`d3dkmt_getallocationpriority`](super::d3dkmt_getallocationpriority), 32 bytes.
pub const LX_DXGETALLOCATIONPRIORITY: u32 = 0xc020473c;
/// Request 0x3d, argument [`d3dkmt_queryclockcalibration`](super::d3dkmt_queryclockcalibration), 40 bytes.
pub const LX_DXQUERYCLOCKCALIBRATION: u32 = 0xc028473d;
/// Request 0x3e, argument [`d3dkmt_enumadapters3`](super::d3dkmt_enumadapters3), 24 bytes.
pub const LX_DXENUMADAPTERS3: u32 = 0xc018473e;
/// Request 0x3f, argument [`d3dkmt_shareobjects`](super::d3dkmt_shareobjects), 40 bytes.
pub const LX_DXSHAREOBJECTS: u32 = 0xc028473f;
/// Request 0x40, argument [`d3dkmt_opensyncobjectfromnthandle2`](super::d3dkmt_opensyncobjectfromnthandle2), 88 bytes.
pub const LX_DXOPENSYNCOBJECTFROMNTHANDLE2: u32 = 0xc0584740;
/// Request 0x41, argument [`d3dkmt_queryresourceinfofromnthandle`](super::d3dkmt_queryresourceinfofromnthandle), 40 bytes.
pub const LX_DXQUERYRESOURCEINFOFROMNTHANDLE: u32 = 0xc0284741;
/// Request 0x42, argument [`d3dkmt_openresourcefromnthandle`](super::d3dkmt_openresourcefromnthandle), 104 bytes.
pub const LX_DXOPENRESOURCEFROMNTHANDLE: u32 = 0xc0684742;
/// Request 0x43, argument [`d3dkmt_querystatistics`](super::d3dkmt_querystatistics), 808 bytes.
pub const LX_DXQUERYSTATISTICS: u32 = 0xc3284743;
/// Request 0x44, argument [`d3dkmt_shareobjectwithhost`](super::d3dkmt_shareobjectwithhost), 24 bytes.
pub const LX_DXSHAREOBJECTWITHHOST: u32 = 0xc0184744;
/// Request 0x45, argument [`d3dkmt_createsyncfile`](super::d3dkmt_createsyncfile), 24 bytes.
pub const LX_DXCREATESYNCFILE: u32 = 0xc0184745;
/// Request 0x46, argument [`d3dkmt_waitsyncfile`](super::d3dkmt_waitsyncfile), 16 bytes.
pub const LX_DXWAITSYNCFILE: u32 = 0xc0104746;
/// Request 0x47, argument [`d3dkmt_opensyncobjectfromsyncfile`](super::d3dkmt_opensyncobjectfromsyncfile), 40 bytes.
pub const LX_DXOPENSYNCOBJECTFROMSYNCFILE: u32 = 0xc0284747;
/// Request 0x24, argument [`d3dkmt_invalidatecache`](super::d3dkmt_invalidatecache), 24 bytes.
pub const LX_DXINVALIDATECACHE: u32 = 0xc0184724;
/// Request 0x48, argument [`d3dkmt_enumprocesses`](super::d3dkmt_enumprocesses), 24 bytes.
pub const LX_DXENUMPROCESSES: u32 = 0xc0184748;
/// Request 0x49, argument [`d3dkmt_isfeatureenabled`](super::d3dkmt_isfeatureenabled), 12 bytes.
pub const LX_ISFEATUREENABLED: u32 = 0xc00c4749;

/// The requests that every driver has, by number.
#[rustfmt::skip]
pub const IOCTLS: [IoctlInfo; 62] = [
    IoctlInfo { name: "LX_DXOPENADAPTERFROMLUID", nr: 0x01, request: LX_DXOPENADAPTERFROMLUID, size: 12, optional: false },
    IoctlInfo { name: "LX_DXCREATEDEVICE", nr: 0x02, request: LX_DXCREATEDEVICE, size: 64, optional: false },
    IoctlInfo { name: "LX_DXCREATECONTEXTVIRTUAL", nr: 0x04, request: LX_DXCREATECONTEXTVIRTUAL, size: 40, optional: false },
    IoctlInfo { name: "LX_DXDESTROYCONTEXT", nr: 0x05, request: LX_DXDESTROYCONTEXT, size: 4, optional: false },
    IoctlInfo { name: "LX_DXCREATEALLOCATION", nr: 0x06, request: LX_DXCREATEALLOCATION, size: 72, optional: false },
    IoctlInfo { name: "LX_DXCREATEPAGINGQUEUE", nr: 0x07, request: LX_DXCREATEPAGINGQUEUE, size: 32, optional: false },
    IoctlInfo { name: "LX_DXRESERVEGPUVIRTUALADDRESS", nr: 0x08, request: LX_DXRESERVEGPUVIRTUALADDRESS, size: 72, optional: false },
    IoctlInfo { name: "LX_DXQUERYADAPTERINFO", nr: 0x09, request: LX_DXQUERYADAPTERINFO, size: 24, optional: false },
    IoctlInfo { name: "LX_DXQUERYVIDEOMEMORYINFO", nr: 0x0a, request: LX_DXQUERYVIDEOMEMORYINFO, size: 56, optional: false },
    IoctlInfo { name: "LX_DXMAKERESIDENT", nr: 0x0b, request: LX_DXMAKERESIDENT, size: 48, optional: false },
    IoctlInfo { name: "LX_DXMAPGPUVIRTUALADDRESS", nr: 0x0c, request: LX_DXMAPGPUVIRTUALADDRESS, size: 104, optional: false },
    IoctlInfo { name: "LX_DXESCAPE", nr: 0x0d, request: LX_DXESCAPE, size: 32, optional: false },
    IoctlInfo { name: "LX_DXGETDEVICESTATE", nr: 0x0e, request: LX_DXGETDEVICESTATE, size: 56, optional: false },
    IoctlInfo { name: "LX_DXSUBMITCOMMAND", nr: 0x0f, request: LX_DXSUBMITCOMMAND, size: 384, optional: false },
    IoctlInfo { name: "LX_DXCREATESYNCHRONIZATIONOBJECT", nr: 0x10, request: LX_DXCREATESYNCHRONIZATIONOBJECT, size: 96, optional: false },
    IoctlInfo { name: "LX_DXSIGNALSYNCHRONIZATIONOBJECT", nr: 0x11, request: LX_DXSIGNALSYNCHRONIZATIONOBJECT, size: 464, optional: false },
    IoctlInfo { name: "LX_DXWAITFORSYNCHRONIZATIONOBJECT", nr: 0x12, request: LX_DXWAITFORSYNCHRONIZATIONOBJECT, size: 200, optional: false },
    IoctlInfo { name: "LX_DXDESTROYALLOCATION2", nr: 0x13, request: LX_DXDESTROYALLOCATION2, size: 24, optional: false },
    IoctlInfo { name: "LX_DXENUMADAPTERS2", nr: 0x14, request: LX_DXENUMADAPTERS2, size: 16, optional: false },
    IoctlInfo { name: "LX_DXCLOSEADAPTER", nr: 0x15, request: LX_DXCLOSEADAPTER, size: 4, optional: false },
    IoctlInfo { name: "LX_DXCHANGEVIDEOMEMORYRESERVATION", nr: 0x16, request: LX_DXCHANGEVIDEOMEMORYRESERVATION, size: 32, optional: false },
    IoctlInfo { name: "LX_DXCREATEHWQUEUE", nr: 0x18, request: LX_DXCREATEHWQUEUE, size: 48, optional: false },
    IoctlInfo { name: "LX_DXDESTROYDEVICE", nr: 0x19, request: LX_DXDESTROYDEVICE, size: 4, optional: false },
    IoctlInfo { name: "LX_DXDESTROYHWQUEUE", nr: 0x1b, request: LX_DXDESTROYHWQUEUE, size: 4, optional: false },
    IoctlInfo { name: "LX_DXDESTROYPAGINGQUEUE", nr: 0x1c, request: LX_DXDESTROYPAGINGQUEUE, size: 4, optional: false },
    IoctlInfo { name: "LX_DXDESTROYSYNCHRONIZATIONOBJECT", nr: 0x1d, request: LX_DXDESTROYSYNCHRONIZATIONOBJECT, size: 4, optional: false },
    IoctlInfo { name: "LX_DXEVICT", nr: 0x1e, request: LX_DXEVICT, size: 32, optional: false },
    IoctlInfo { name: "LX_DXFLUSHHEAPTRANSITIONS", nr: 0x1f, request: LX_DXFLUSHHEAPTRANSITIONS, size: 4, optional: false },
    IoctlInfo { name: "LX_DXFREEGPUVIRTUALADDRESS", nr: 0x20, request: LX_DXFREEGPUVIRTUALADDRESS, size: 24, optional: false },
    IoctlInfo { name: "LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY", nr: 0x21, request: LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY, size: 8, optional: false },
    IoctlInfo { name: "LX_DXGETCONTEXTSCHEDULINGPRIORITY", nr: 0x22, request: LX_DXGETCONTEXTSCHEDULINGPRIORITY, size: 8, optional: false },
    IoctlInfo { name: "LX_DXLOCK2", nr: 0x25, request: LX_DXLOCK2, size: 24, optional: false },
    IoctlInfo { name: "LX_DXMARKDEVICEASERROR", nr: 0x26, request: LX_DXMARKDEVICEASERROR, size: 8, optional: false },
    IoctlInfo { name: "LX_DXOFFERALLOCATIONS", nr: 0x27, request: LX_DXOFFERALLOCATIONS, size: 40, optional: false },
    IoctlInfo { name: "LX_DXQUERYALLOCATIONRESIDENCY", nr: 0x2a, request: LX_DXQUERYALLOCATIONRESIDENCY, size: 32, optional: false },
    IoctlInfo { name: "LX_DXRECLAIMALLOCATIONS2", nr: 0x2c, request: LX_DXRECLAIMALLOCATIONS2, size: 40, optional: false },
    IoctlInfo { name: "LX_DXSETALLOCATIONPRIORITY", nr: 0x2e, request: LX_DXSETALLOCATIONPRIORITY, size: 32, optional: false },
    IoctlInfo { name: "LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY", nr: 0x2f, request: LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY, size: 8, optional: false },
    IoctlInfo { name: "LX_DXSETCONTEXTSCHEDULINGPRIORITY", nr: 0x30, request: LX_DXSETCONTEXTSCHEDULINGPRIORITY, size: 8, optional: false },
    IoctlInfo { name: "LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU", nr: 0x31, request: LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU, size: 32, optional: false },
    IoctlInfo { name: "LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU", nr: 0x32, request: LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU, size: 80, optional: false },
    IoctlInfo { name: "LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2", nr: 0x33, request: LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2, size: 96, optional: false },
    IoctlInfo { name: "LX_DXSUBMITCOMMANDTOHWQUEUE", nr: 0x34, request: LX_DXSUBMITCOMMANDTOHWQUEUE, size: 56, optional: false },
    IoctlInfo { name: "LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE", nr: 0x35, request: LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE, size: 40, optional: false },
    IoctlInfo { name: "LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE", nr: 0x36, request: LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE, size: 24, optional: false },
    IoctlInfo { name: "LX_DXUNLOCK2", nr: 0x37, request: LX_DXUNLOCK2, size: 8, optional: false },
    IoctlInfo { name: "LX_DXUPDATEALLOCPROPERTY", nr: 0x38, request: LX_DXUPDATEALLOCPROPERTY, size: 40, optional: false },
    IoctlInfo { name: "LX_DXUPDATEGPUVIRTUALADDRESS", nr: 0x39, request: LX_DXUPDATEGPUVIRTUALADDRESS, size: 56, optional: false },
    IoctlInfo { name: "LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU", nr: 0x3a, request: LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, size: 40, optional: false },
    IoctlInfo { name: "LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU", nr: 0x3b, request: LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU, size: 80, optional: false },
    IoctlInfo { name: "LX_DXGETALLOCATIONPRIORITY", nr: 0x3c, request: LX_DXGETALLOCATIONPRIORITY, size: 32, optional: false },
    IoctlInfo { name: "LX_DXQUERYCLOCKCALIBRATION", nr: 0x3d, request: LX_DXQUERYCLOCKCALIBRATION, size: 40, optional: false },
    IoctlInfo { name: "LX_DXENUMADAPTERS3", nr: 0x3e, request: LX_DXENUMADAPTERS3, size: 24, optional: false },
    IoctlInfo { name: "LX_DXSHAREOBJECTS", nr: 0x3f, request: LX_DXSHAREOBJECTS, size: 40, optional: false },
    IoctlInfo { name: "LX_DXOPENSYNCOBJECTFROMNTHANDLE2", nr: 0x40, request: LX_DXOPENSYNCOBJECTFROMNTHANDLE2, size: 88, optional: false },
    IoctlInfo { name: "LX_DXQUERYRESOURCEINFOFROMNTHANDLE", nr: 0x41, request: LX_DXQUERYRESOURCEINFOFROMNTHANDLE, size: 40, optional: false },
    IoctlInfo { name: "LX_DXOPENRESOURCEFROMNTHANDLE", nr: 0x42, request: LX_DXOPENRESOURCEFROMNTHANDLE, size: 104, optional: false },
    IoctlInfo { name: "LX_DXQUERYSTATISTICS", nr: 0x43, request: LX_DXQUERYSTATISTICS, size: 808, optional: false },
    IoctlInfo { name: "LX_DXSHAREOBJECTWITHHOST", nr: 0x44, request: LX_DXSHAREOBJECTWITHHOST, size: 24, optional: false },
    IoctlInfo { name: "LX_DXCREATESYNCFILE", nr: 0x45, request: LX_DXCREATESYNCFILE, size: 24, optional: false },
    IoctlInfo { name: "LX_DXWAITSYNCFILE", nr: 0x46, request: LX_DXWAITSYNCFILE, size: 16, optional: false },
    IoctlInfo { name: "LX_DXOPENSYNCOBJECTFROMSYNCFILE", nr: 0x47, request: LX_DXOPENSYNCOBJECTFROMSYNCFILE, size: 40, optional: false },
];

/// Requests of newer drivers; older ones answer `ENOTTY`.
#[rustfmt::skip]
pub const OPTIONAL_IOCTLS: [IoctlInfo; 3] = [
    IoctlInfo { name: "LX_DXINVALIDATECACHE", nr: 0x24, request: LX_DXINVALIDATECACHE, size: 24, optional: true },
    IoctlInfo { name: "LX_DXENUMPROCESSES", nr: 0x48, request: LX_DXENUMPROCESSES, size: 24, optional: true },
    IoctlInfo { name: "LX_ISFEATUREENABLED", nr: 0x49, request: LX_ISFEATUREENABLED, size: 12, optional: true },
];

argument! {
    d3dkmt_openadapterfromluid: IOCTLS[0];
    d3dkmt_createdevice: IOCTLS[1];
    d3dkmt_createcontextvirtual: IOCTLS[2];
    d3dkmt_destroycontext: IOCTLS[3];
    d3dkmt_createallocation: IOCTLS[4];
    d3dkmt_createpagingqueue: IOCTLS[5];
    d3dddi_reservegpuvirtualaddress: IOCTLS[6];
    d3dkmt_queryadapterinfo: IOCTLS[7];
    d3dkmt_queryvideomemoryinfo: IOCTLS[8];
    d3dddi_makeresident: IOCTLS[9];
    d3dddi_mapgpuvirtualaddress: IOCTLS[10];
    d3dkmt_escape: IOCTLS[11];
    d3dkmt_getdevicestate: IOCTLS[12];
    d3dkmt_submitcommand: IOCTLS[13];
    d3dkmt_createsynchronizationobject2: IOCTLS[14];
    d3dkmt_signalsynchronizationobject2: IOCTLS[15];
    d3dkmt_waitforsynchronizationobject2: IOCTLS[16];
    d3dkmt_destroyallocation2: IOCTLS[17];
    d3dkmt_enumadapters2: IOCTLS[18];
    d3dkmt_closeadapter: IOCTLS[19];
    d3dkmt_changevideomemoryreservation: IOCTLS[20];
    d3dkmt_createhwqueue: IOCTLS[21];
    d3dkmt_destroydevice: IOCTLS[22];
    d3dkmt_destroyhwqueue: IOCTLS[23];
    d3dddi_destroypagingqueue: IOCTLS[24];
    d3dkmt_destroysynchronizationobject: IOCTLS[25];
    d3dkmt_evict: IOCTLS[26];
    d3dkmt_flushheaptransitions: IOCTLS[27];
    d3dkmt_freegpuvirtualaddress: IOCTLS[28];
    d3dkmt_getcontextinprocessschedulingpriority: IOCTLS[29];
    d3dkmt_getcontextschedulingpriority: IOCTLS[30];
    d3dkmt_lock2: IOCTLS[31];
    d3dkmt_markdeviceaserror: IOCTLS[32];
    d3dkmt_offerallocations: IOCTLS[33];
    d3dkmt_queryallocationresidency: IOCTLS[34];
    d3dkmt_reclaimallocations2: IOCTLS[35];
    d3dkmt_setallocationpriority: IOCTLS[36];
    d3dkmt_setcontextinprocessschedulingpriority: IOCTLS[37];
    d3dkmt_setcontextschedulingpriority: IOCTLS[38];
    d3dkmt_signalsynchronizationobjectfromcpu: IOCTLS[39];
    d3dkmt_signalsynchronizationobjectfromgpu: IOCTLS[40];
    d3dkmt_signalsynchronizationobjectfromgpu2: IOCTLS[41];
    d3dkmt_submitcommandtohwqueue: IOCTLS[42];
    d3dkmt_submitsignalsyncobjectstohwqueue: IOCTLS[43];
    d3dkmt_submitwaitforsyncobjectstohwqueue: IOCTLS[44];
    d3dkmt_unlock2: IOCTLS[45];
    d3dddi_updateallocproperty: IOCTLS[46];
    d3dkmt_updategpuvirtualaddress: IOCTLS[47];
    d3dkmt_waitforsynchronizationobjectfromcpu: IOCTLS[48];
    d3dkmt_waitforsynchronizationobjectfromgpu: IOCTLS[49];
    d3dkmt_getallocationpriority: IOCTLS[50];
    d3dkmt_queryclockcalibration: IOCTLS[51];
    d3dkmt_enumadapters3: IOCTLS[52];
    d3dkmt_shareobjects: IOCTLS[53];
    d3dkmt_opensyncobjectfromnthandle2: IOCTLS[54];
    d3dkmt_queryresourceinfofromnthandle: IOCTLS[55];
    d3dkmt_openresourcefromnthandle: IOCTLS[56];
    d3dkmt_querystatistics: IOCTLS[57];
    d3dkmt_shareobjectwithhost: IOCTLS[58];
    d3dkmt_createsyncfile: IOCTLS[59];
    d3dkmt_waitsyncfile: IOCTLS[60];
    d3dkmt_opensyncobjectfromsyncfile: IOCTLS[61];
    d3dkmt_invalidatecache: OPTIONAL_IOCTLS[0];
    d3dkmt_enumprocesses: OPTIONAL_IOCTLS[1];
    d3dkmt_isfeatureenabled: OPTIONAL_IOCTLS[2];
}
