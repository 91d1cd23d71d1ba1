//! Enumerations: the type is the integer that C uses, the values are constants.
// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.

/// `enum d3dkmt_clienthint`.
pub type d3dkmt_clienthint = u32;

/// Value 0 of `d3dkmt_clienthint`.
pub const _D3DKMT_CLIENTHNT_UNKNOWN: d3dkmt_clienthint = 0;
/// Value 1 of `d3dkmt_clienthint`.
pub const _D3DKMT_CLIENTHINT_OPENGL: d3dkmt_clienthint = 1;
/// Value 2 of `d3dkmt_clienthint`.
pub const _D3DKMT_CLIENTHINT_CDD: d3dkmt_clienthint = 2;
/// Value 7 of `d3dkmt_clienthint`.
pub const _D3DKMT_CLIENTHINT_DX7: d3dkmt_clienthint = 7;
/// Value 8 of `d3dkmt_clienthint`.
pub const _D3DKMT_CLIENTHINT_DX8: d3dkmt_clienthint = 8;
/// Value 9 of `d3dkmt_clienthint`.
pub const _D3DKMT_CLIENTHINT_DX9: d3dkmt_clienthint = 9;
/// Value 10 of `d3dkmt_clienthint`.
pub const _D3DKMT_CLIENTHINT_DX10: d3dkmt_clienthint = 10;

/// `enum d3dddi_pagingqueue_priority`.
pub type d3dddi_pagingqueue_priority = i32;

/// Value -1 of `d3dddi_pagingqueue_priority`.
pub const _D3DDDI_PAGINGQUEUE_PRIORITY_BELOW_NORMAL: d3dddi_pagingqueue_priority = -1;
/// Value 0 of `d3dddi_pagingqueue_priority`.
pub const _D3DDDI_PAGINGQUEUE_PRIORITY_NORMAL: d3dddi_pagingqueue_priority = 0;
/// Value 1 of `d3dddi_pagingqueue_priority`.
pub const _D3DDDI_PAGINGQUEUE_PRIORITY_ABOVE_NORMAL: d3dddi_pagingqueue_priority = 1;

/// `enum d3dkmt_escapetype`.
pub type d3dkmt_escapetype = u32;

/// Value 0 of `d3dkmt_escapetype`.
pub const _D3DKMT_ESCAPE_DRIVERPRIVATE: d3dkmt_escapetype = 0;
/// Value 1 of `d3dkmt_escapetype`.
pub const _D3DKMT_ESCAPE_VIDMM: d3dkmt_escapetype = 1;
/// Value 3 of `d3dkmt_escapetype`.
pub const _D3DKMT_ESCAPE_VIDSCH: d3dkmt_escapetype = 3;
/// Value 4 of `d3dkmt_escapetype`.
pub const _D3DKMT_ESCAPE_DEVICE: d3dkmt_escapetype = 4;
/// Value 8 of `d3dkmt_escapetype`.
pub const _D3DKMT_ESCAPE_DRT_TEST: d3dkmt_escapetype = 8;

/// `enum dxgk_render_pipeline_stage`.
pub type dxgk_render_pipeline_stage = u32;

/// Value 0 of `dxgk_render_pipeline_stage`.
pub const _DXGK_RENDER_PIPELINE_STAGE_UNKNOWN: dxgk_render_pipeline_stage = 0;
/// Value 1 of `dxgk_render_pipeline_stage`.
pub const _DXGK_RENDER_PIPELINE_STAGE_INPUT_ASSEMBLER: dxgk_render_pipeline_stage = 1;
/// Value 2 of `dxgk_render_pipeline_stage`.
pub const _DXGK_RENDER_PIPELINE_STAGE_VERTEX_SHADER: dxgk_render_pipeline_stage = 2;
/// Value 3 of `dxgk_render_pipeline_stage`.
pub const _DXGK_RENDER_PIPELINE_STAGE_GEOMETRY_SHADER: dxgk_render_pipeline_stage = 3;
/// Value 4 of `dxgk_render_pipeline_stage`.
pub const _DXGK_RENDER_PIPELINE_STAGE_STREAM_OUTPUT: dxgk_render_pipeline_stage = 4;
/// Value 5 of `dxgk_render_pipeline_stage`.
pub const _DXGK_RENDER_PIPELINE_STAGE_RASTERIZER: dxgk_render_pipeline_stage = 5;
/// Value 6 of `dxgk_render_pipeline_stage`.
pub const _DXGK_RENDER_PIPELINE_STAGE_PIXEL_SHADER: dxgk_render_pipeline_stage = 6;
/// Value 7 of `dxgk_render_pipeline_stage`.
pub const _DXGK_RENDER_PIPELINE_STAGE_OUTPUT_MERGER: dxgk_render_pipeline_stage = 7;

/// `enum dxgk_page_fault_flags`.
pub type dxgk_page_fault_flags = u32;

/// Value 1 of `dxgk_page_fault_flags`.
pub const _DXGK_PAGE_FAULT_WRITE: dxgk_page_fault_flags = 1;
/// Value 2 of `dxgk_page_fault_flags`.
pub const _DXGK_PAGE_FAULT_FENCE_INVALID: dxgk_page_fault_flags = 2;
/// Value 4 of `dxgk_page_fault_flags`.
pub const _DXGK_PAGE_FAULT_ADAPTER_RESET_REQUIRED: dxgk_page_fault_flags = 4;
/// Value 8 of `dxgk_page_fault_flags`.
pub const _DXGK_PAGE_FAULT_ENGINE_RESET_REQUIRED: dxgk_page_fault_flags = 8;
/// Value 16 of `dxgk_page_fault_flags`.
pub const _DXGK_PAGE_FAULT_FATAL_HARDWARE_ERROR: dxgk_page_fault_flags = 16;
/// Value 32 of `dxgk_page_fault_flags`.
pub const _DXGK_PAGE_FAULT_IOMMU: dxgk_page_fault_flags = 32;
/// Value 64 of `dxgk_page_fault_flags`.
pub const _DXGK_PAGE_FAULT_HW_CONTEXT_VALID: dxgk_page_fault_flags = 64;
/// Value 128 of `dxgk_page_fault_flags`.
pub const _DXGK_PAGE_FAULT_PROCESS_HANDLE_VALID: dxgk_page_fault_flags = 128;

/// `enum dxgk_general_error_code`.
pub type dxgk_general_error_code = u32;

/// Value 0 of `dxgk_general_error_code`.
pub const _DXGK_GENERAL_ERROR_PAGE_FAULT: dxgk_general_error_code = 0;
/// Value 1 of `dxgk_general_error_code`.
pub const _DXGK_GENERAL_ERROR_INVALID_INSTRUCTION: dxgk_general_error_code = 1;

/// `enum d3dkmt_deviceexecution_state`.
pub type d3dkmt_deviceexecution_state = u32;

/// Value 1 of `d3dkmt_deviceexecution_state`.
pub const _D3DKMT_DEVICEEXECUTION_ACTIVE: d3dkmt_deviceexecution_state = 1;
/// Value 2 of `d3dkmt_deviceexecution_state`.
pub const _D3DKMT_DEVICEEXECUTION_RESET: d3dkmt_deviceexecution_state = 2;
/// Value 3 of `d3dkmt_deviceexecution_state`.
pub const _D3DKMT_DEVICEEXECUTION_HUNG: d3dkmt_deviceexecution_state = 3;
/// Value 4 of `d3dkmt_deviceexecution_state`.
pub const _D3DKMT_DEVICEEXECUTION_STOPPED: d3dkmt_deviceexecution_state = 4;
/// Value 5 of `d3dkmt_deviceexecution_state`.
pub const _D3DKMT_DEVICEEXECUTION_ERROR_OUTOFMEMORY: d3dkmt_deviceexecution_state = 5;
/// Value 6 of `d3dkmt_deviceexecution_state`.
pub const _D3DKMT_DEVICEEXECUTION_ERROR_DMAFAULT: d3dkmt_deviceexecution_state = 6;
/// Value 7 of `d3dkmt_deviceexecution_state`.
pub const _D3DKMT_DEVICEEXECUTION_ERROR_DMAPAGEFAULT: d3dkmt_deviceexecution_state = 7;

/// `enum d3dkmt_devicestate_type`.
pub type d3dkmt_devicestate_type = u32;

/// Value 1 of `d3dkmt_devicestate_type`.
pub const _D3DKMT_DEVICESTATE_EXECUTION: d3dkmt_devicestate_type = 1;
/// Value 2 of `d3dkmt_devicestate_type`.
pub const _D3DKMT_DEVICESTATE_PRESENT: d3dkmt_devicestate_type = 2;
/// Value 3 of `d3dkmt_devicestate_type`.
pub const _D3DKMT_DEVICESTATE_RESET: d3dkmt_devicestate_type = 3;
/// Value 4 of `d3dkmt_devicestate_type`.
pub const _D3DKMT_DEVICESTATE_PRESENT_DWM: d3dkmt_devicestate_type = 4;
/// Value 5 of `d3dkmt_devicestate_type`.
pub const _D3DKMT_DEVICESTATE_PAGE_FAULT: d3dkmt_devicestate_type = 5;
/// Value 6 of `d3dkmt_devicestate_type`.
pub const _D3DKMT_DEVICESTATE_PRESENT_QUEUE: d3dkmt_devicestate_type = 6;

/// `enum d3dkmdt_gdisurfacetype`.
pub type d3dkmdt_gdisurfacetype = u32;

/// Value 0 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_INVALID: d3dkmdt_gdisurfacetype = 0;
/// Value 1 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_TEXTURE: d3dkmdt_gdisurfacetype = 1;
/// Value 2 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_STAGING_CPUVISIBLE: d3dkmdt_gdisurfacetype = 2;
/// Value 3 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_STAGING: d3dkmdt_gdisurfacetype = 3;
/// Value 4 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_LOOKUPTABLE: d3dkmdt_gdisurfacetype = 4;
/// Value 5 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_EXISTINGSYSMEM: d3dkmdt_gdisurfacetype = 5;
/// Value 6 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_TEXTURE_CPUVISIBLE: d3dkmdt_gdisurfacetype = 6;
/// Value 7 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_TEXTURE_CROSSADAPTER: d3dkmdt_gdisurfacetype = 7;
/// Value 8 of `d3dkmdt_gdisurfacetype`.
pub const _D3DKMDT_GDISURFACE_TEXTURE_CPUVISIBLE_CROSSADAPTER: d3dkmdt_gdisurfacetype = 8;

/// `enum d3dddiformat`.
pub type d3dddiformat = u32;

/// Value 0 of `d3dddiformat`.
pub const _D3DDDIFMT_UNKNOWN: d3dddiformat = 0;

/// `enum d3dkmdt_standardallocationtype`.
pub type d3dkmdt_standardallocationtype = u32;

/// Value 1 of `d3dkmdt_standardallocationtype`.
pub const _D3DKMDT_STANDARDALLOCATION_SHAREDPRIMARYSURFACE: d3dkmdt_standardallocationtype = 1;
/// Value 2 of `d3dkmdt_standardallocationtype`.
pub const _D3DKMDT_STANDARDALLOCATION_SHADOWSURFACE: d3dkmdt_standardallocationtype = 2;
/// Value 3 of `d3dkmdt_standardallocationtype`.
pub const _D3DKMDT_STANDARDALLOCATION_STAGINGSURFACE: d3dkmdt_standardallocationtype = 3;
/// Value 4 of `d3dkmdt_standardallocationtype`.
pub const _D3DKMDT_STANDARDALLOCATION_GDISURFACE: d3dkmdt_standardallocationtype = 4;

/// `enum d3dddi_synchronizationobject_type`.
pub type d3dddi_synchronizationobject_type = u32;

/// Value 1 of `d3dddi_synchronizationobject_type`.
pub const _D3DDDI_SYNCHRONIZATION_MUTEX: d3dddi_synchronizationobject_type = 1;
/// Value 2 of `d3dddi_synchronizationobject_type`.
pub const _D3DDDI_SEMAPHORE: d3dddi_synchronizationobject_type = 2;
/// Value 3 of `d3dddi_synchronizationobject_type`.
pub const _D3DDDI_FENCE: d3dddi_synchronizationobject_type = 3;
/// Value 4 of `d3dddi_synchronizationobject_type`.
pub const _D3DDDI_CPU_NOTIFICATION: d3dddi_synchronizationobject_type = 4;
/// Value 5 of `d3dddi_synchronizationobject_type`.
pub const _D3DDDI_MONITORED_FENCE: d3dddi_synchronizationobject_type = 5;
/// Value 6 of `d3dddi_synchronizationobject_type`.
pub const _D3DDDI_PERIODIC_MONITORED_FENCE: d3dddi_synchronizationobject_type = 6;
/// Value 7 of `d3dddi_synchronizationobject_type`.
pub const _D3DDDI_SYNCHRONIZATION_TYPE_LIMIT: d3dddi_synchronizationobject_type = 7;

/// `enum d3dkmt_allocationresidencystatus`.
pub type d3dkmt_allocationresidencystatus = u32;

/// Value 1 of `d3dkmt_allocationresidencystatus`.
pub const _D3DKMT_ALLOCATIONRESIDENCYSTATUS_RESIDENTINGPUMEMORY: d3dkmt_allocationresidencystatus = 1;
/// Value 2 of `d3dkmt_allocationresidencystatus`.
pub const _D3DKMT_ALLOCATIONRESIDENCYSTATUS_RESIDENTINSHAREDMEMORY: d3dkmt_allocationresidencystatus = 2;
/// Value 3 of `d3dkmt_allocationresidencystatus`.
pub const _D3DKMT_ALLOCATIONRESIDENCYSTATUS_NOTRESIDENT: d3dkmt_allocationresidencystatus = 3;

/// `enum d3dkmt_device_error_reason`.
pub type d3dkmt_device_error_reason = u32;

/// Value 2147483648 of `d3dkmt_device_error_reason`.
pub const _D3DKMT_DEVICE_ERROR_REASON_GENERIC: d3dkmt_device_error_reason = 2147483648;
/// Value 2147483654 of `d3dkmt_device_error_reason`.
pub const _D3DKMT_DEVICE_ERROR_REASON_DRIVER_ERROR: d3dkmt_device_error_reason = 2147483654;

/// `enum d3dkmt_standardallocationtype`.
pub type d3dkmt_standardallocationtype = u32;

/// Value 1 of `d3dkmt_standardallocationtype`.
pub const _D3DKMT_STANDARDALLOCATIONTYPE_EXISTINGHEAP: d3dkmt_standardallocationtype = 1;
/// Value 2 of `d3dkmt_standardallocationtype`.
pub const _D3DKMT_STANDARDALLOCATIONTYPE_CROSSADAPTER: d3dkmt_standardallocationtype = 2;

/// `enum d3dddi_updategpuvirtualaddress_operation_type`.
pub type d3dddi_updategpuvirtualaddress_operation_type = u32;

/// Value 0 of `d3dddi_updategpuvirtualaddress_operation_type`.
pub const _D3DDDI_UPDATEGPUVIRTUALADDRESS_MAP: d3dddi_updategpuvirtualaddress_operation_type = 0;
/// Value 1 of `d3dddi_updategpuvirtualaddress_operation_type`.
pub const _D3DDDI_UPDATEGPUVIRTUALADDRESS_UNMAP: d3dddi_updategpuvirtualaddress_operation_type = 1;
/// Value 2 of `d3dddi_updategpuvirtualaddress_operation_type`.
pub const _D3DDDI_UPDATEGPUVIRTUALADDRESS_COPY: d3dddi_updategpuvirtualaddress_operation_type = 2;
/// Value 3 of `d3dddi_updategpuvirtualaddress_operation_type`.
pub const _D3DDDI_UPDATEGPUVIRTUALADDRESS_MAP_PROTECT: d3dddi_updategpuvirtualaddress_operation_type = 3;

/// `enum d3dddigpuva_reservation_type`.
pub type d3dddigpuva_reservation_type = u32;

/// Value 0 of `d3dddigpuva_reservation_type`.
pub const _D3DDDIGPUVA_RESERVE_NO_ACCESS: d3dddigpuva_reservation_type = 0;
/// Value 1 of `d3dddigpuva_reservation_type`.
pub const _D3DDDIGPUVA_RESERVE_ZERO: d3dddigpuva_reservation_type = 1;
/// Value 2 of `d3dddigpuva_reservation_type`.
pub const _D3DDDIGPUVA_RESERVE_NO_COMMIT: d3dddigpuva_reservation_type = 2;

/// `enum d3dkmt_memory_segment_group`.
pub type d3dkmt_memory_segment_group = u32;

/// Value 0 of `d3dkmt_memory_segment_group`.
pub const _D3DKMT_MEMORY_SEGMENT_GROUP_LOCAL: d3dkmt_memory_segment_group = 0;
/// Value 1 of `d3dkmt_memory_segment_group`.
pub const _D3DKMT_MEMORY_SEGMENT_GROUP_NON_LOCAL: d3dkmt_memory_segment_group = 1;

/// `enum kmtqueryadapterinfotype`.
pub type kmtqueryadapterinfotype = u32;

/// Value 0 of `kmtqueryadapterinfotype`.
pub const _KMTQAITYPE_UMDRIVERPRIVATE: kmtqueryadapterinfotype = 0;
/// Value 15 of `kmtqueryadapterinfotype`.
pub const _KMTQAITYPE_ADAPTERTYPE: kmtqueryadapterinfotype = 15;
/// Value 57 of `kmtqueryadapterinfotype`.
pub const _KMTQAITYPE_ADAPTERTYPE_RENDER: kmtqueryadapterinfotype = 57;

/// `enum d3dkmt_offer_priority`.
pub type d3dkmt_offer_priority = u32;

/// Value 1 of `d3dkmt_offer_priority`.
pub const _D3DKMT_OFFER_PRIORITY_LOW: d3dkmt_offer_priority = 1;
/// Value 2 of `d3dkmt_offer_priority`.
pub const _D3DKMT_OFFER_PRIORITY_NORMAL: d3dkmt_offer_priority = 2;
/// Value 3 of `d3dkmt_offer_priority`.
pub const _D3DKMT_OFFER_PRIORITY_HIGH: d3dkmt_offer_priority = 3;
/// Value 4 of `d3dkmt_offer_priority`.
pub const _D3DKMT_OFFER_PRIORITY_AUTO: d3dkmt_offer_priority = 4;

/// `enum d3dddi_reclaim_result`.
pub type d3dddi_reclaim_result = u32;

/// Value 0 of `d3dddi_reclaim_result`.
pub const _D3DDDI_RECLAIM_RESULT_OK: d3dddi_reclaim_result = 0;
/// Value 1 of `d3dddi_reclaim_result`.
pub const _D3DDDI_RECLAIM_RESULT_DISCARDED: d3dddi_reclaim_result = 1;
/// Value 2 of `d3dddi_reclaim_result`.
pub const _D3DDDI_RECLAIM_RESULT_NOT_COMMITTED: d3dddi_reclaim_result = 2;

/// `enum d3dkmt_querystatistics_type`.
pub type d3dkmt_querystatistics_type = u32;

/// Value 0 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_ADAPTER: d3dkmt_querystatistics_type = 0;
/// Value 1 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_PROCESS: d3dkmt_querystatistics_type = 1;
/// Value 2 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_PROCESS_ADAPTER: d3dkmt_querystatistics_type = 2;
/// Value 3 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_SEGMENT: d3dkmt_querystatistics_type = 3;
/// Value 4 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_PROCESS_SEGMENT: d3dkmt_querystatistics_type = 4;
/// Value 5 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_NODE: d3dkmt_querystatistics_type = 5;
/// Value 6 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_PROCESS_NODE: d3dkmt_querystatistics_type = 6;
/// Value 7 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_VIDPNSOURCE: d3dkmt_querystatistics_type = 7;
/// Value 8 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_PROCESS_VIDPNSOURCE: d3dkmt_querystatistics_type = 8;
/// Value 9 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_PROCESS_SEGMENT_GROUP: d3dkmt_querystatistics_type = 9;
/// Value 10 of `d3dkmt_querystatistics_type`.
pub const _D3DKMT_QUERYSTATISTICS_PHYSICAL_ADAPTER: d3dkmt_querystatistics_type = 10;

// The information types that Microsoft's user-mode library knows; the driver passes any of them through.

/// Adapter information type 0.
pub const KMTQAITYPE_UMDRIVERPRIVATE: kmtqueryadapterinfotype = 0;
/// Adapter information type 1.
pub const KMTQAITYPE_UMDRIVERNAME: kmtqueryadapterinfotype = 1;
/// Adapter information type 2.
pub const KMTQAITYPE_UMOPENGLINFO: kmtqueryadapterinfotype = 2;
/// Adapter information type 3.
pub const KMTQAITYPE_GETSEGMENTSIZE: kmtqueryadapterinfotype = 3;
/// Adapter information type 4.
pub const KMTQAITYPE_ADAPTERGUID: kmtqueryadapterinfotype = 4;
/// Adapter information type 5.
pub const KMTQAITYPE_FLIPQUEUEINFO: kmtqueryadapterinfotype = 5;
/// Adapter information type 6.
pub const KMTQAITYPE_ADAPTERADDRESS: kmtqueryadapterinfotype = 6;
/// Adapter information type 7.
pub const KMTQAITYPE_SETWORKINGSETINFO: kmtqueryadapterinfotype = 7;
/// Adapter information type 8.
pub const KMTQAITYPE_ADAPTERREGISTRYINFO: kmtqueryadapterinfotype = 8;
/// Adapter information type 9.
pub const KMTQAITYPE_CURRENTDISPLAYMODE: kmtqueryadapterinfotype = 9;
/// Adapter information type 10.
pub const KMTQAITYPE_MODELIST: kmtqueryadapterinfotype = 10;
/// Adapter information type 11.
pub const KMTQAITYPE_CHECKDRIVERUPDATESTATUS: kmtqueryadapterinfotype = 11;
/// Adapter information type 12.
pub const KMTQAITYPE_VIRTUALADDRESSINFO: kmtqueryadapterinfotype = 12;
/// Adapter information type 13.
pub const KMTQAITYPE_DRIVERVERSION: kmtqueryadapterinfotype = 13;
/// Adapter information type 15.
pub const KMTQAITYPE_ADAPTERTYPE: kmtqueryadapterinfotype = 15;
/// Adapter information type 16.
pub const KMTQAITYPE_OUTPUTDUPLCONTEXTSCOUNT: kmtqueryadapterinfotype = 16;
/// Adapter information type 17.
pub const KMTQAITYPE_WDDM_1_2_CAPS: kmtqueryadapterinfotype = 17;
/// Adapter information type 18.
pub const KMTQAITYPE_UMD_DRIVER_VERSION: kmtqueryadapterinfotype = 18;
/// Adapter information type 19.
pub const KMTQAITYPE_DIRECTFLIP_SUPPORT: kmtqueryadapterinfotype = 19;
/// Adapter information type 20.
pub const KMTQAITYPE_MULTIPLANEOVERLAY_SUPPORT: kmtqueryadapterinfotype = 20;
/// Adapter information type 21.
pub const KMTQAITYPE_DLIST_DRIVER_NAME: kmtqueryadapterinfotype = 21;
/// Adapter information type 22.
pub const KMTQAITYPE_WDDM_1_3_CAPS: kmtqueryadapterinfotype = 22;
/// Adapter information type 23.
pub const KMTQAITYPE_MULTIPLANEOVERLAY_HUD_SUPPORT: kmtqueryadapterinfotype = 23;
/// Adapter information type 24.
pub const KMTQAITYPE_WDDM_2_0_CAPS: kmtqueryadapterinfotype = 24;
/// Adapter information type 25.
pub const KMTQAITYPE_NODEMETADATA: kmtqueryadapterinfotype = 25;
/// Adapter information type 26.
pub const KMTQAITYPE_CPDRIVERNAME: kmtqueryadapterinfotype = 26;
/// Adapter information type 27.
pub const KMTQAITYPE_XBOX: kmtqueryadapterinfotype = 27;
/// Adapter information type 28.
pub const KMTQAITYPE_INDEPENDENTFLIP_SUPPORT: kmtqueryadapterinfotype = 28;
/// Adapter information type 29.
pub const KMTQAITYPE_MIRACASTCOMPANIONDRIVERNAME: kmtqueryadapterinfotype = 29;
/// Adapter information type 30.
pub const KMTQAITYPE_PHYSICALADAPTERCOUNT: kmtqueryadapterinfotype = 30;
/// Adapter information type 31.
pub const KMTQAITYPE_PHYSICALADAPTERDEVICEIDS: kmtqueryadapterinfotype = 31;
/// Adapter information type 32.
pub const KMTQAITYPE_DRIVERCAPS_EXT: kmtqueryadapterinfotype = 32;
/// Adapter information type 33.
pub const KMTQAITYPE_QUERY_MIRACAST_DRIVER_TYPE: kmtqueryadapterinfotype = 33;
/// Adapter information type 34.
pub const KMTQAITYPE_QUERY_GPUMMU_CAPS: kmtqueryadapterinfotype = 34;
/// Adapter information type 35.
pub const KMTQAITYPE_QUERY_MULTIPLANEOVERLAY_DECODE_SUPPORT: kmtqueryadapterinfotype = 35;
/// Adapter information type 36.
pub const KMTQAITYPE_QUERY_HW_PROTECTION_TEARDOWN_COUNT: kmtqueryadapterinfotype = 36;
/// Adapter information type 37.
pub const KMTQAITYPE_QUERY_ISBADDRIVERFORHWPROTECTIONDISABLED: kmtqueryadapterinfotype = 37;
/// Adapter information type 38.
pub const KMTQAITYPE_MULTIPLANEOVERLAY_SECONDARY_SUPPORT: kmtqueryadapterinfotype = 38;
/// Adapter information type 39.
pub const KMTQAITYPE_INDEPENDENTFLIP_SECONDARY_SUPPORT: kmtqueryadapterinfotype = 39;
/// Adapter information type 40.
pub const KMTQAITYPE_PANELFITTER_SUPPORT: kmtqueryadapterinfotype = 40;
/// Adapter information type 41.
pub const KMTQAITYPE_PHYSICALADAPTERPNPKEY: kmtqueryadapterinfotype = 41;
/// Adapter information type 42.
pub const KMTQAITYPE_GETSEGMENTGROUPSIZE: kmtqueryadapterinfotype = 42;
/// Adapter information type 43.
pub const KMTQAITYPE_MPO3DDI_SUPPORT: kmtqueryadapterinfotype = 43;
/// Adapter information type 44.
pub const KMTQAITYPE_HWDRM_SUPPORT: kmtqueryadapterinfotype = 44;
/// Adapter information type 45.
pub const KMTQAITYPE_MPOKERNELCAPS_SUPPORT: kmtqueryadapterinfotype = 45;
/// Adapter information type 46.
pub const KMTQAITYPE_MULTIPLANEOVERLAY_STRETCH_SUPPORT: kmtqueryadapterinfotype = 46;
/// Adapter information type 47.
pub const KMTQAITYPE_GET_DEVICE_VIDPN_OWNERSHIP_INFO: kmtqueryadapterinfotype = 47;
/// Adapter information type 48.
pub const KMTQAITYPE_QUERYREGISTRY: kmtqueryadapterinfotype = 48;
/// Adapter information type 49.
pub const KMTQAITYPE_KMD_DRIVER_VERSION: kmtqueryadapterinfotype = 49;
/// Adapter information type 50.
pub const KMTQAITYPE_BLOCKLIST_KERNEL: kmtqueryadapterinfotype = 50;
/// Adapter information type 51.
pub const KMTQAITYPE_BLOCKLIST_RUNTIME: kmtqueryadapterinfotype = 51;
/// Adapter information type 52.
pub const KMTQAITYPE_ADAPTERGUID_RENDER: kmtqueryadapterinfotype = 52;
/// Adapter information type 53.
pub const KMTQAITYPE_ADAPTERADDRESS_RENDER: kmtqueryadapterinfotype = 53;
/// Adapter information type 54.
pub const KMTQAITYPE_ADAPTERREGISTRYINFO_RENDER: kmtqueryadapterinfotype = 54;
/// Adapter information type 55.
pub const KMTQAITYPE_CHECKDRIVERUPDATESTATUS_RENDER: kmtqueryadapterinfotype = 55;
/// Adapter information type 56.
pub const KMTQAITYPE_DRIVERVERSION_RENDER: kmtqueryadapterinfotype = 56;
/// Adapter information type 57.
pub const KMTQAITYPE_ADAPTERTYPE_RENDER: kmtqueryadapterinfotype = 57;
/// Adapter information type 58.
pub const KMTQAITYPE_WDDM_1_2_CAPS_RENDER: kmtqueryadapterinfotype = 58;
/// Adapter information type 59.
pub const KMTQAITYPE_WDDM_1_3_CAPS_RENDER: kmtqueryadapterinfotype = 59;
/// Adapter information type 60.
pub const KMTQAITYPE_QUERY_ADAPTER_UNIQUE_GUID: kmtqueryadapterinfotype = 60;
/// Adapter information type 61.
pub const KMTQAITYPE_NODEPERFDATA: kmtqueryadapterinfotype = 61;
/// Adapter information type 62.
pub const KMTQAITYPE_ADAPTERPERFDATA: kmtqueryadapterinfotype = 62;
/// Adapter information type 63.
pub const KMTQAITYPE_ADAPTERPERFDATA_CAPS: kmtqueryadapterinfotype = 63;
/// Adapter information type 64.
pub const KMTQUITYPE_GPUVERSION: kmtqueryadapterinfotype = 64;
/// Adapter information type 65.
pub const KMTQAITYPE_DRIVER_DESCRIPTION: kmtqueryadapterinfotype = 65;
/// Adapter information type 66.
pub const KMTQAITYPE_DRIVER_DESCRIPTION_RENDER: kmtqueryadapterinfotype = 66;
/// Adapter information type 67.
pub const KMTQAITYPE_SCANOUT_CAPS: kmtqueryadapterinfotype = 67;
/// Adapter information type 71.
pub const KMTQAITYPE_DISPLAY_UMDRIVERNAME: kmtqueryadapterinfotype = 71;
/// Adapter information type 68.
pub const KMTQAITYPE_PARAVIRTUALIZATION_RENDER: kmtqueryadapterinfotype = 68;
/// Adapter information type 69.
pub const KMTQAITYPE_SERVICENAME: kmtqueryadapterinfotype = 69;
/// Adapter information type 70.
pub const KMTQAITYPE_WDDM_2_7_CAPS: kmtqueryadapterinfotype = 70;
/// Adapter information type 72.
pub const KMTQAITYPE_TRACKEDWORKLOAD_SUPPORT: kmtqueryadapterinfotype = 72;
/// Adapter information type 73.
pub const KMTQAITYPE_HYBRID_DLIST_DLL_SUPPORT: kmtqueryadapterinfotype = 73;
/// Adapter information type 74.
pub const KMTQAITYPE_DISPLAY_CAPS: kmtqueryadapterinfotype = 74;
/// Adapter information type 75.
pub const KMTQAITYPE_WDDM_2_9_CAPS: kmtqueryadapterinfotype = 75;
/// Adapter information type 76.
pub const KMTQAITYPE_CROSSADAPTERRESOURCE_SUPPORT: kmtqueryadapterinfotype = 76;
/// Adapter information type 77.
pub const KMTQAITYPE_WDDM_3_0_CAPS: kmtqueryadapterinfotype = 77;
