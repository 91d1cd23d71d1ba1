/*
 * The user interface of /dev/dxg, the node of paravirtualized GPUs in WSL 2, for C and C++: request codes, their
 * arguments, enumerations and limits.
 *
 * Written by `cargo run -p dxg-io --example generate-sys` from the facts in dxg-io/tests/data/dxg-abi.json; change the
 * generator, not this file. Offsets in comments are bytes. A request returns 0, a positive NTSTATUS (0x103: completes when a
 * paging fence says so), -1 with errno, or a raw negative NTSTATUS.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef DXG_H
#define DXG_H

#include <stdint.h>
#include <sys/ioctl.h>

#ifdef __cplusplus
extern "C" {
#define DXG_ASSERT(holds) static_assert(holds, #holds)
#else
#define DXG_ASSERT(holds) _Static_assert(holds, #holds)
#endif

/* Limits. */
#define D3DDDI_MAX_WRITTEN_PRIMARIES 16
#define D3DKMT_CREATEALLOCATION_MAX 1024
#define D3DKMT_MAKERESIDENT_ALLOC_MAX 10240
#define D3DKMT_ADAPTERS_MAX 64
#define D3DDDI_MAX_BROADCAST_CONTEXT 64
#define D3DDDI_MAX_OBJECT_WAITED_ON 32
#define D3DDDI_MAX_OBJECT_SIGNALED 32

/* Enumerations: arguments hold them as 32-bit integers. */
enum d3dkmt_clienthint {
	_D3DKMT_CLIENTHNT_UNKNOWN = 0,
	_D3DKMT_CLIENTHINT_OPENGL = 1,
	_D3DKMT_CLIENTHINT_CDD = 2,
	_D3DKMT_CLIENTHINT_DX7 = 7,
	_D3DKMT_CLIENTHINT_DX8 = 8,
	_D3DKMT_CLIENTHINT_DX9 = 9,
	_D3DKMT_CLIENTHINT_DX10 = 10,
};

enum d3dddi_pagingqueue_priority {
	_D3DDDI_PAGINGQUEUE_PRIORITY_BELOW_NORMAL = -1,
	_D3DDDI_PAGINGQUEUE_PRIORITY_NORMAL = 0,
	_D3DDDI_PAGINGQUEUE_PRIORITY_ABOVE_NORMAL = 1,
};

enum d3dkmt_escapetype {
	_D3DKMT_ESCAPE_DRIVERPRIVATE = 0,
	_D3DKMT_ESCAPE_VIDMM = 1,
	_D3DKMT_ESCAPE_VIDSCH = 3,
	_D3DKMT_ESCAPE_DEVICE = 4,
	_D3DKMT_ESCAPE_DRT_TEST = 8,
};

enum dxgk_render_pipeline_stage {
	_DXGK_RENDER_PIPELINE_STAGE_UNKNOWN = 0,
	_DXGK_RENDER_PIPELINE_STAGE_INPUT_ASSEMBLER = 1,
	_DXGK_RENDER_PIPELINE_STAGE_VERTEX_SHADER = 2,
	_DXGK_RENDER_PIPELINE_STAGE_GEOMETRY_SHADER = 3,
	_DXGK_RENDER_PIPELINE_STAGE_STREAM_OUTPUT = 4,
	_DXGK_RENDER_PIPELINE_STAGE_RASTERIZER = 5,
	_DXGK_RENDER_PIPELINE_STAGE_PIXEL_SHADER = 6,
	_DXGK_RENDER_PIPELINE_STAGE_OUTPUT_MERGER = 7,
};

enum dxgk_page_fault_flags {
	_DXGK_PAGE_FAULT_WRITE = 1,
	_DXGK_PAGE_FAULT_FENCE_INVALID = 2,
	_DXGK_PAGE_FAULT_ADAPTER_RESET_REQUIRED = 4,
	_DXGK_PAGE_FAULT_ENGINE_RESET_REQUIRED = 8,
	_DXGK_PAGE_FAULT_FATAL_HARDWARE_ERROR = 16,
	_DXGK_PAGE_FAULT_IOMMU = 32,
	_DXGK_PAGE_FAULT_HW_CONTEXT_VALID = 64,
	_DXGK_PAGE_FAULT_PROCESS_HANDLE_VALID = 128,
};

enum dxgk_general_error_code {
	_DXGK_GENERAL_ERROR_PAGE_FAULT = 0,
	_DXGK_GENERAL_ERROR_INVALID_INSTRUCTION = 1,
};

enum d3dkmt_deviceexecution_state {
	_D3DKMT_DEVICEEXECUTION_ACTIVE = 1,
	_D3DKMT_DEVICEEXECUTION_RESET = 2,
	_D3DKMT_DEVICEEXECUTION_HUNG = 3,
	_D3DKMT_DEVICEEXECUTION_STOPPED = 4,
	_D3DKMT_DEVICEEXECUTION_ERROR_OUTOFMEMORY = 5,
	_D3DKMT_DEVICEEXECUTION_ERROR_DMAFAULT = 6,
	_D3DKMT_DEVICEEXECUTION_ERROR_DMAPAGEFAULT = 7,
};

enum d3dkmt_devicestate_type {
	_D3DKMT_DEVICESTATE_EXECUTION = 1,
	_D3DKMT_DEVICESTATE_PRESENT = 2,
	_D3DKMT_DEVICESTATE_RESET = 3,
	_D3DKMT_DEVICESTATE_PRESENT_DWM = 4,
	_D3DKMT_DEVICESTATE_PAGE_FAULT = 5,
	_D3DKMT_DEVICESTATE_PRESENT_QUEUE = 6,
};

enum d3dkmdt_gdisurfacetype {
	_D3DKMDT_GDISURFACE_INVALID = 0,
	_D3DKMDT_GDISURFACE_TEXTURE = 1,
	_D3DKMDT_GDISURFACE_STAGING_CPUVISIBLE = 2,
	_D3DKMDT_GDISURFACE_STAGING = 3,
	_D3DKMDT_GDISURFACE_LOOKUPTABLE = 4,
	_D3DKMDT_GDISURFACE_EXISTINGSYSMEM = 5,
	_D3DKMDT_GDISURFACE_TEXTURE_CPUVISIBLE = 6,
	_D3DKMDT_GDISURFACE_TEXTURE_CROSSADAPTER = 7,
	_D3DKMDT_GDISURFACE_TEXTURE_CPUVISIBLE_CROSSADAPTER = 8,
};

enum d3dddiformat {
	_D3DDDIFMT_UNKNOWN = 0,
};

enum d3dkmdt_standardallocationtype {
	_D3DKMDT_STANDARDALLOCATION_SHAREDPRIMARYSURFACE = 1,
	_D3DKMDT_STANDARDALLOCATION_SHADOWSURFACE = 2,
	_D3DKMDT_STANDARDALLOCATION_STAGINGSURFACE = 3,
	_D3DKMDT_STANDARDALLOCATION_GDISURFACE = 4,
};

enum d3dddi_synchronizationobject_type {
	_D3DDDI_SYNCHRONIZATION_MUTEX = 1,
	_D3DDDI_SEMAPHORE = 2,
	_D3DDDI_FENCE = 3,
	_D3DDDI_CPU_NOTIFICATION = 4,
	_D3DDDI_MONITORED_FENCE = 5,
	_D3DDDI_PERIODIC_MONITORED_FENCE = 6,
	_D3DDDI_SYNCHRONIZATION_TYPE_LIMIT = 7,
};

enum d3dkmt_allocationresidencystatus {
	_D3DKMT_ALLOCATIONRESIDENCYSTATUS_RESIDENTINGPUMEMORY = 1,
	_D3DKMT_ALLOCATIONRESIDENCYSTATUS_RESIDENTINSHAREDMEMORY = 2,
	_D3DKMT_ALLOCATIONRESIDENCYSTATUS_NOTRESIDENT = 3,
};

/* enum d3dkmt_device_error_reason */
#define _D3DKMT_DEVICE_ERROR_REASON_GENERIC 0x80000000u
#define _D3DKMT_DEVICE_ERROR_REASON_DRIVER_ERROR 0x80000006u

enum d3dkmt_standardallocationtype {
	_D3DKMT_STANDARDALLOCATIONTYPE_EXISTINGHEAP = 1,
	_D3DKMT_STANDARDALLOCATIONTYPE_CROSSADAPTER = 2,
};

enum d3dddi_updategpuvirtualaddress_operation_type {
	_D3DDDI_UPDATEGPUVIRTUALADDRESS_MAP = 0,
	_D3DDDI_UPDATEGPUVIRTUALADDRESS_UNMAP = 1,
	_D3DDDI_UPDATEGPUVIRTUALADDRESS_COPY = 2,
	_D3DDDI_UPDATEGPUVIRTUALADDRESS_MAP_PROTECT = 3,
};

enum d3dddigpuva_reservation_type {
	_D3DDDIGPUVA_RESERVE_NO_ACCESS = 0,
	_D3DDDIGPUVA_RESERVE_ZERO = 1,
	_D3DDDIGPUVA_RESERVE_NO_COMMIT = 2,
};

enum d3dkmt_memory_segment_group {
	_D3DKMT_MEMORY_SEGMENT_GROUP_LOCAL = 0,
	_D3DKMT_MEMORY_SEGMENT_GROUP_NON_LOCAL = 1,
};

enum kmtqueryadapterinfotype {
	_KMTQAITYPE_UMDRIVERPRIVATE = 0,
	_KMTQAITYPE_ADAPTERTYPE = 15,
	_KMTQAITYPE_ADAPTERTYPE_RENDER = 57,
};

enum d3dkmt_offer_priority {
	_D3DKMT_OFFER_PRIORITY_LOW = 1,
	_D3DKMT_OFFER_PRIORITY_NORMAL = 2,
	_D3DKMT_OFFER_PRIORITY_HIGH = 3,
	_D3DKMT_OFFER_PRIORITY_AUTO = 4,
};

enum d3dddi_reclaim_result {
	_D3DDDI_RECLAIM_RESULT_OK = 0,
	_D3DDDI_RECLAIM_RESULT_DISCARDED = 1,
	_D3DDDI_RECLAIM_RESULT_NOT_COMMITTED = 2,
};

enum d3dkmt_querystatistics_type {
	_D3DKMT_QUERYSTATISTICS_ADAPTER = 0,
	_D3DKMT_QUERYSTATISTICS_PROCESS = 1,
	_D3DKMT_QUERYSTATISTICS_PROCESS_ADAPTER = 2,
	_D3DKMT_QUERYSTATISTICS_SEGMENT = 3,
	_D3DKMT_QUERYSTATISTICS_PROCESS_SEGMENT = 4,
	_D3DKMT_QUERYSTATISTICS_NODE = 5,
	_D3DKMT_QUERYSTATISTICS_PROCESS_NODE = 6,
	_D3DKMT_QUERYSTATISTICS_VIDPNSOURCE = 7,
	_D3DKMT_QUERYSTATISTICS_PROCESS_VIDPNSOURCE = 8,
	_D3DKMT_QUERYSTATISTICS_PROCESS_SEGMENT_GROUP = 9,
	_D3DKMT_QUERYSTATISTICS_PHYSICAL_ADAPTER = 10,
};

/* Types of adapter information; the driver passes any of them through. */
enum dxg_adapter_information {
	KMTQAITYPE_UMDRIVERPRIVATE = 0,
	KMTQAITYPE_UMDRIVERNAME = 1,
	KMTQAITYPE_UMOPENGLINFO = 2,
	KMTQAITYPE_GETSEGMENTSIZE = 3,
	KMTQAITYPE_ADAPTERGUID = 4,
	KMTQAITYPE_FLIPQUEUEINFO = 5,
	KMTQAITYPE_ADAPTERADDRESS = 6,
	KMTQAITYPE_SETWORKINGSETINFO = 7,
	KMTQAITYPE_ADAPTERREGISTRYINFO = 8,
	KMTQAITYPE_CURRENTDISPLAYMODE = 9,
	KMTQAITYPE_MODELIST = 10,
	KMTQAITYPE_CHECKDRIVERUPDATESTATUS = 11,
	KMTQAITYPE_VIRTUALADDRESSINFO = 12,
	KMTQAITYPE_DRIVERVERSION = 13,
	KMTQAITYPE_ADAPTERTYPE = 15,
	KMTQAITYPE_OUTPUTDUPLCONTEXTSCOUNT = 16,
	KMTQAITYPE_WDDM_1_2_CAPS = 17,
	KMTQAITYPE_UMD_DRIVER_VERSION = 18,
	KMTQAITYPE_DIRECTFLIP_SUPPORT = 19,
	KMTQAITYPE_MULTIPLANEOVERLAY_SUPPORT = 20,
	KMTQAITYPE_DLIST_DRIVER_NAME = 21,
	KMTQAITYPE_WDDM_1_3_CAPS = 22,
	KMTQAITYPE_MULTIPLANEOVERLAY_HUD_SUPPORT = 23,
	KMTQAITYPE_WDDM_2_0_CAPS = 24,
	KMTQAITYPE_NODEMETADATA = 25,
	KMTQAITYPE_CPDRIVERNAME = 26,
	KMTQAITYPE_XBOX = 27,
	KMTQAITYPE_INDEPENDENTFLIP_SUPPORT = 28,
	KMTQAITYPE_MIRACASTCOMPANIONDRIVERNAME = 29,
	KMTQAITYPE_PHYSICALADAPTERCOUNT = 30,
	KMTQAITYPE_PHYSICALADAPTERDEVICEIDS = 31,
	KMTQAITYPE_DRIVERCAPS_EXT = 32,
	KMTQAITYPE_QUERY_MIRACAST_DRIVER_TYPE = 33,
	KMTQAITYPE_QUERY_GPUMMU_CAPS = 34,
	KMTQAITYPE_QUERY_MULTIPLANEOVERLAY_DECODE_SUPPORT = 35,
	KMTQAITYPE_QUERY_HW_PROTECTION_TEARDOWN_COUNT = 36,
	KMTQAITYPE_QUERY_ISBADDRIVERFORHWPROTECTIONDISABLED = 37,
	KMTQAITYPE_MULTIPLANEOVERLAY_SECONDARY_SUPPORT = 38,
	KMTQAITYPE_INDEPENDENTFLIP_SECONDARY_SUPPORT = 39,
	KMTQAITYPE_PANELFITTER_SUPPORT = 40,
	KMTQAITYPE_PHYSICALADAPTERPNPKEY = 41,
	KMTQAITYPE_GETSEGMENTGROUPSIZE = 42,
	KMTQAITYPE_MPO3DDI_SUPPORT = 43,
	KMTQAITYPE_HWDRM_SUPPORT = 44,
	KMTQAITYPE_MPOKERNELCAPS_SUPPORT = 45,
	KMTQAITYPE_MULTIPLANEOVERLAY_STRETCH_SUPPORT = 46,
	KMTQAITYPE_GET_DEVICE_VIDPN_OWNERSHIP_INFO = 47,
	KMTQAITYPE_QUERYREGISTRY = 48,
	KMTQAITYPE_KMD_DRIVER_VERSION = 49,
	KMTQAITYPE_BLOCKLIST_KERNEL = 50,
	KMTQAITYPE_BLOCKLIST_RUNTIME = 51,
	KMTQAITYPE_ADAPTERGUID_RENDER = 52,
	KMTQAITYPE_ADAPTERADDRESS_RENDER = 53,
	KMTQAITYPE_ADAPTERREGISTRYINFO_RENDER = 54,
	KMTQAITYPE_CHECKDRIVERUPDATESTATUS_RENDER = 55,
	KMTQAITYPE_DRIVERVERSION_RENDER = 56,
	KMTQAITYPE_ADAPTERTYPE_RENDER = 57,
	KMTQAITYPE_WDDM_1_2_CAPS_RENDER = 58,
	KMTQAITYPE_WDDM_1_3_CAPS_RENDER = 59,
	KMTQAITYPE_QUERY_ADAPTER_UNIQUE_GUID = 60,
	KMTQAITYPE_NODEPERFDATA = 61,
	KMTQAITYPE_ADAPTERPERFDATA = 62,
	KMTQAITYPE_ADAPTERPERFDATA_CAPS = 63,
	KMTQUITYPE_GPUVERSION = 64,
	KMTQAITYPE_DRIVER_DESCRIPTION = 65,
	KMTQAITYPE_DRIVER_DESCRIPTION_RENDER = 66,
	KMTQAITYPE_SCANOUT_CAPS = 67,
	KMTQAITYPE_DISPLAY_UMDRIVERNAME = 71,
	KMTQAITYPE_PARAVIRTUALIZATION_RENDER = 68,
	KMTQAITYPE_SERVICENAME = 69,
	KMTQAITYPE_WDDM_2_7_CAPS = 70,
	KMTQAITYPE_TRACKEDWORKLOAD_SUPPORT = 72,
	KMTQAITYPE_HYBRID_DLIST_DLL_SUPPORT = 73,
	KMTQAITYPE_DISPLAY_CAPS = 74,
	KMTQAITYPE_WDDM_2_9_CAPS = 75,
	KMTQAITYPE_CROSSADAPTERRESOURCE_SUPPORT = 76,
	KMTQAITYPE_WDDM_3_0_CAPS = 77,
};

struct d3dkmthandle {
	union {
		uint32_t v; /* Bytes 0..4: __u32 */
		struct {
			uint32_t instance : 6;
			uint32_t index : 24;
			uint32_t unique : 2;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmthandle) == 4);

struct ntstatus {
	union {
		int32_t v; /* Bytes 0..4: __s32 */
		struct {
			uint32_t code : 16;
			uint32_t facility : 13;
			uint32_t customer : 1;
			uint32_t severity : 2;
		};
	};
};
DXG_ASSERT(sizeof(struct ntstatus) == 4);

struct winluid {
	uint32_t a; /* Bytes 0..4: __u32 */
	uint32_t b; /* Bytes 4..8: __u32 */
};
DXG_ASSERT(sizeof(struct winluid) == 8);

struct d3dddi_rational {
	uint32_t numerator; /* Bytes 0..4: __u32 */
	uint32_t denominator; /* Bytes 4..8: __u32 */
};
DXG_ASSERT(sizeof(struct d3dddi_rational) == 8);

struct d3dkmt_adapterinfo {
	struct d3dkmthandle adapter_handle; /* Bytes 0..4: struct d3dkmthandle */
	struct winluid adapter_luid; /* Bytes 4..12: struct winluid */
	uint32_t num_sources; /* Bytes 12..16: __u32 */
	uint32_t present_move_regions_preferred; /* Bytes 16..20: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_adapterinfo) == 20);

struct d3dkmt_enumadapters2 {
	uint32_t num_adapters; /* Bytes 0..4: __u32 */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	uint64_t adapters; /* Bytes 8..16: user pointer to struct d3dkmt_adapterinfo */
};
DXG_ASSERT(sizeof(struct d3dkmt_enumadapters2) == 16);

struct d3dkmt_enumadapters_filter {
	union {
		uint64_t value; /* Bytes 0..8: __u64 */
		struct {
			uint64_t include_compute_only : 1;
			uint64_t include_display_only : 1;
			uint64_t reserved : 62;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_enumadapters_filter) == 8);

struct d3dkmt_enumadapters3 {
	struct d3dkmt_enumadapters_filter filter; /* Bytes 0..8: union d3dkmt_enumadapters_filter */
	uint32_t adapter_count; /* Bytes 8..12: __u32 */
	uint32_t reserved; /* Bytes 12..16: __u32 */
	uint64_t adapters; /* Bytes 16..24: user pointer to struct d3dkmt_adapterinfo */
};
DXG_ASSERT(sizeof(struct d3dkmt_enumadapters3) == 24);

struct d3dkmt_openadapterfromluid {
	struct winluid adapter_luid; /* Bytes 0..8: struct winluid */
	struct d3dkmthandle adapter_handle; /* Bytes 8..12: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_openadapterfromluid) == 12);

struct d3dkmt_closeadapter {
	struct d3dkmthandle adapter_handle; /* Bytes 0..4: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_closeadapter) == 4);

struct d3dkmt_adaptertype {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t render_supported : 1;
			uint32_t display_supported : 1;
			uint32_t software_device : 1;
			uint32_t post_device : 1;
			uint32_t hybrid_discrete : 1;
			uint32_t hybrid_integrated : 1;
			uint32_t indirect_display_device : 1;
			uint32_t paravirtualized : 1;
			uint32_t acg_supported : 1;
			uint32_t support_set_timings_from_vidpn : 1;
			uint32_t detachable : 1;
			uint32_t compute_only : 1;
			uint32_t prototype : 1;
			uint32_t reserved : 19;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_adaptertype) == 4);

struct d3dkmt_queryadapterinfo {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t type; /* Bytes 4..8: enum kmtqueryadapterinfotype */
	uint64_t private_data; /* Bytes 8..16: user pointer to void */
	uint32_t private_data_size; /* Bytes 16..20: __u32 */
	uint8_t padding_20[4]; /* Bytes 20..24: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_queryadapterinfo) == 24);

struct d3dddi_escapeflags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t hardware_access : 1;
			uint32_t device_status_query : 1;
			uint32_t change_frame_latency : 1;
			uint32_t no_adapter_synchronization : 1;
			uint32_t reserved : 1;
			uint32_t virtual_machine_data : 1;
			uint32_t driver_known_escape : 1;
			uint32_t driver_common_escape : 1;
			uint32_t reserved2 : 24;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_escapeflags) == 4);

struct d3dkmt_escape {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle device; /* Bytes 4..8: struct d3dkmthandle */
	uint32_t type; /* Bytes 8..12: enum d3dkmt_escapetype */
	struct d3dddi_escapeflags flags; /* Bytes 12..16: struct d3dddi_escapeflags */
	uint64_t priv_drv_data; /* Bytes 16..24: user pointer to void */
	uint32_t priv_drv_data_size; /* Bytes 24..28: __u32 */
	struct d3dkmthandle context; /* Bytes 28..32: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_escape) == 32);

struct d3dkmt_isfeatureenabled_result {
	uint16_t version; /* Bytes 0..2: __u16 */
	uint16_t value; /* Bytes 2..4: __u16 */
};
DXG_ASSERT(sizeof(struct d3dkmt_isfeatureenabled_result) == 4);

struct d3dkmt_isfeatureenabled {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t feature_id; /* Bytes 4..8: __u32 */
	struct d3dkmt_isfeatureenabled_result result; /* Bytes 8..12: an inline aggregate */
};
DXG_ASSERT(sizeof(struct d3dkmt_isfeatureenabled) == 12);

struct d3dkmt_queryvideomemoryinfo {
	uint64_t process; /* Bytes 0..8: __u64 */
	struct d3dkmthandle adapter; /* Bytes 8..12: struct d3dkmthandle */
	uint32_t memory_segment_group; /* Bytes 12..16: enum d3dkmt_memory_segment_group */
	uint64_t budget; /* Bytes 16..24: __u64 */
	uint64_t current_usage; /* Bytes 24..32: __u64 */
	uint64_t current_reservation; /* Bytes 32..40: __u64 */
	uint64_t available_for_reservation; /* Bytes 40..48: __u64 */
	uint32_t physical_adapter_index; /* Bytes 48..52: __u32 */
	uint8_t padding_52[4]; /* Bytes 52..56: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_queryvideomemoryinfo) == 56);

struct d3dkmt_changevideomemoryreservation {
	uint64_t process; /* Bytes 0..8: __u64 */
	struct d3dkmthandle adapter; /* Bytes 8..12: struct d3dkmthandle */
	uint32_t memory_segment_group; /* Bytes 12..16: enum d3dkmt_memory_segment_group */
	uint64_t reservation; /* Bytes 16..24: __u64 */
	uint32_t physical_adapter_index; /* Bytes 24..28: __u32 */
	uint8_t padding_28[4]; /* Bytes 28..32: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_changevideomemoryreservation) == 32);

struct d3dkmt_querystatistics_result {
	uint8_t size[776]; /* Bytes 0..776: char[776] */
};
DXG_ASSERT(sizeof(struct d3dkmt_querystatistics_result) == 776);

struct d3dkmt_querystatistics {
	uint32_t type; /* Bytes 0..4: enum d3dkmt_querystatistics_type */
	struct winluid adapter_luid; /* Bytes 4..12: struct winluid */
	uint8_t padding_12[4]; /* Bytes 12..16: padding */
	uint64_t process; /* Bytes 16..24: __u64 */
	struct d3dkmt_querystatistics_result result; /* Bytes 24..800: struct d3dkmt_querystatistics_result */
	uint8_t padding_800[8]; /* Bytes 800..808: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_querystatistics) == 808);

struct dxgk_gpuclockdata_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t context_management_processor : 1;
			uint32_t reserved : 31;
		};
	};
} __attribute__((packed));
DXG_ASSERT(sizeof(struct dxgk_gpuclockdata_flags) == 4);

struct dxgk_gpuclockdata {
	uint64_t gpu_frequency; /* Bytes 0..8: __u64 */
	uint64_t gpu_clock_counter; /* Bytes 8..16: __u64 */
	uint64_t cpu_clock_counter; /* Bytes 16..24: __u64 */
	struct dxgk_gpuclockdata_flags flags; /* Bytes 24..28: struct dxgk_gpuclockdata_flags */
} __attribute__((packed));
DXG_ASSERT(sizeof(struct dxgk_gpuclockdata) == 28);

struct d3dkmt_queryclockcalibration {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t node_ordinal; /* Bytes 4..8: __u32 */
	uint32_t physical_adapter_index; /* Bytes 8..12: __u32 */
	struct dxgk_gpuclockdata clock_data; /* Bytes 12..40: struct dxgk_gpuclockdata */
} __attribute__((packed));
DXG_ASSERT(sizeof(struct d3dkmt_queryclockcalibration) == 40);

struct d3dkmt_flushheaptransitions {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_flushheaptransitions) == 4);

struct d3dkmt_enumprocesses {
	struct winluid adapter_luid; /* Bytes 0..8: struct winluid */
	uint64_t buffer; /* Bytes 8..16: user pointer to __u32 */
	uint64_t buffer_count; /* Bytes 16..24: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_enumprocesses) == 24);

struct d3dkmt_createdeviceflags {
	union {
		uint32_t value; /* Bytes 0..4: the word that holds the bit fields */
		struct {
			uint32_t legacy_mode : 1;
			uint32_t request_vSync : 1;
			uint32_t disable_gpu_timeout : 1;
			uint32_t gdi_device : 1;
			uint32_t reserved : 28;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_createdeviceflags) == 4);

struct d3dkmt_createdevice {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t reserved3; /* Bytes 4..8: __u32 */
	struct d3dkmt_createdeviceflags flags; /* Bytes 8..12: struct d3dkmt_createdeviceflags */
	struct d3dkmthandle device; /* Bytes 12..16: struct d3dkmthandle */
	uint64_t command_buffer; /* Bytes 16..24: user pointer to void */
	uint32_t command_buffer_size; /* Bytes 24..28: __u32 */
	uint32_t reserved; /* Bytes 28..32: __u32 */
	uint64_t allocation_list; /* Bytes 32..40: user pointer to struct d3dddi_allocationlist */
	uint32_t allocation_list_size; /* Bytes 40..44: __u32 */
	uint32_t reserved1; /* Bytes 44..48: __u32 */
	uint64_t patch_location_list; /* Bytes 48..56: user pointer to struct d3dddi_patchlocationlist */
	uint32_t patch_location_list_size; /* Bytes 56..60: __u32 */
	uint32_t reserved2; /* Bytes 60..64: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_createdevice) == 64);

struct d3dkmt_destroydevice {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_destroydevice) == 4);

struct dxgk_fault_error_code {
	union {
		uint32_t value; /* Bytes 0..4: the word that holds the bit fields */
		struct {
			uint32_t is_device_specific_code : 1;
			uint32_t general_error_code : 31;
		};
		struct {
			uint32_t is_device_specific_code_reserved_bit : 1;
			uint32_t device_specific_code : 31;
		};
	};
};
DXG_ASSERT(sizeof(struct dxgk_fault_error_code) == 4);

struct d3dkmt_devicereset_state {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t desktop_switched : 1;
			uint32_t reserved : 31;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_devicereset_state) == 4);

struct d3dkmt_devicepagefault_state {
	uint64_t faulted_primitive_api_sequence_number; /* Bytes 0..8: __u64 */
	uint32_t faulted_pipeline_stage; /* Bytes 8..12: enum dxgk_render_pipeline_stage */
	uint32_t faulted_bind_table_entry; /* Bytes 12..16: __u32 */
	uint32_t page_fault_flags; /* Bytes 16..20: enum dxgk_page_fault_flags */
	struct dxgk_fault_error_code fault_error_code; /* Bytes 20..24: struct dxgk_fault_error_code */
	uint64_t faulted_virtual_address; /* Bytes 24..32: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_devicepagefault_state) == 32);

struct d3dkmt_getdevicestate {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t state_type; /* Bytes 4..8: enum d3dkmt_devicestate_type */
	union {
		uint32_t execution_state; /* Bytes 0..4: enum d3dkmt_deviceexecution_state */
		struct d3dkmt_devicereset_state reset_state; /* Bytes 0..4: struct d3dkmt_devicereset_state */
		struct d3dkmt_devicepagefault_state page_fault_state; /* Bytes 0..32: struct d3dkmt_devicepagefault_state */
		uint8_t alignment[48]; /* Bytes 0..48: char[48] */
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_getdevicestate) == 56);

struct d3dkmt_markdeviceaserror {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t reason; /* Bytes 4..8: enum d3dkmt_device_error_reason */
};
DXG_ASSERT(sizeof(struct d3dkmt_markdeviceaserror) == 8);

struct d3dddi_createcontextflags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t null_rendering : 1;
			uint32_t initial_data : 1;
			uint32_t disable_gpu_timeout : 1;
			uint32_t synchronization_only : 1;
			uint32_t hw_queue_supported : 1;
			uint32_t reserved : 27;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_createcontextflags) == 4);

struct d3dkmt_createcontextvirtual {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t node_ordinal; /* Bytes 4..8: __u32 */
	uint32_t engine_affinity; /* Bytes 8..12: __u32 */
	struct d3dddi_createcontextflags flags; /* Bytes 12..16: struct d3dddi_createcontextflags */
	uint64_t priv_drv_data; /* Bytes 16..24: user pointer to void */
	uint32_t priv_drv_data_size; /* Bytes 24..28: __u32 */
	uint32_t client_hint; /* Bytes 28..32: enum d3dkmt_clienthint */
	struct d3dkmthandle context; /* Bytes 32..36: struct d3dkmthandle */
	uint8_t padding_36[4]; /* Bytes 36..40: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_createcontextvirtual) == 40);

struct d3dkmt_destroycontext {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_destroycontext) == 4);

struct d3dkmt_setcontextschedulingpriority {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	int32_t priority; /* Bytes 4..8: __s32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_setcontextschedulingpriority) == 8);

struct d3dkmt_setcontextinprocessschedulingpriority {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	int32_t priority; /* Bytes 4..8: __s32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_setcontextinprocessschedulingpriority) == 8);

struct d3dkmt_getcontextschedulingpriority {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	int32_t priority; /* Bytes 4..8: __s32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_getcontextschedulingpriority) == 8);

struct d3dkmt_getcontextinprocessschedulingpriority {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	int32_t priority; /* Bytes 4..8: __s32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_getcontextinprocessschedulingpriority) == 8);

struct d3dddi_createhwqueueflags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t disable_gpu_timeout : 1;
			uint32_t reserved : 31;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_createhwqueueflags) == 4);

struct d3dkmt_createhwqueue {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dddi_createhwqueueflags flags; /* Bytes 4..8: struct d3dddi_createhwqueueflags */
	uint32_t priv_drv_data_size; /* Bytes 8..12: __u32 */
	uint32_t reserved; /* Bytes 12..16: __u32 */
	uint64_t priv_drv_data; /* Bytes 16..24: user pointer to void */
	struct d3dkmthandle queue; /* Bytes 24..28: struct d3dkmthandle */
	struct d3dkmthandle queue_progress_fence; /* Bytes 28..32: struct d3dkmthandle */
	uint64_t queue_progress_fence_cpu_va; /* Bytes 32..40: user pointer to void */
	uint64_t queue_progress_fence_gpu_va; /* Bytes 40..48: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_createhwqueue) == 48);

struct d3dkmt_destroyhwqueue {
	struct d3dkmthandle queue; /* Bytes 0..4: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_destroyhwqueue) == 4);

struct d3dkmt_createpagingqueue {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	int32_t priority; /* Bytes 4..8: enum d3dddi_pagingqueue_priority */
	struct d3dkmthandle paging_queue; /* Bytes 8..12: struct d3dkmthandle */
	struct d3dkmthandle sync_object; /* Bytes 12..16: struct d3dkmthandle */
	uint64_t fence_cpu_virtual_address; /* Bytes 16..24: user pointer to void */
	uint32_t physical_adapter_index; /* Bytes 24..28: __u32 */
	uint8_t padding_28[4]; /* Bytes 28..32: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_createpagingqueue) == 32);

struct d3dddi_destroypagingqueue {
	struct d3dkmthandle paging_queue; /* Bytes 0..4: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dddi_destroypagingqueue) == 4);

struct d3dddi_allocationlist {
	struct d3dkmthandle allocation; /* Bytes 0..4: struct d3dkmthandle */
	union {
		uint32_t value; /* Bytes 4..8: __u32 */
		struct {
			uint32_t write_operation : 1;
			uint32_t do_not_retire_instance : 1;
			uint32_t offer_priority : 3;
			uint32_t reserved : 27;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_allocationlist) == 8);

struct d3dddi_patchlocationlist {
	uint32_t allocation_index; /* Bytes 0..4: __u32 */
	union {
		uint32_t value; /* Bytes 4..8: __u32 */
		struct {
			uint32_t slot_id : 24;
			uint32_t reserved : 8;
		};
	};
	uint32_t driver_id; /* Bytes 8..12: __u32 */
	uint32_t allocation_offset; /* Bytes 12..16: __u32 */
	uint32_t patch_offset; /* Bytes 16..20: __u32 */
	uint32_t split_offset; /* Bytes 20..24: __u32 */
};
DXG_ASSERT(sizeof(struct d3dddi_patchlocationlist) == 24);

struct d3dkmt_standardallocation_existingheap {
	uint64_t size; /* Bytes 0..8: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_standardallocation_existingheap) == 8);

struct d3dkmt_createstandardallocationflags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t reserved : 32;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_createstandardallocationflags) == 4);

struct d3dkmt_createstandardallocation {
	uint32_t type; /* Bytes 0..4: enum d3dkmt_standardallocationtype */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	struct d3dkmt_standardallocation_existingheap existing_heap_data; /* Bytes 8..16: struct d3dkmt_standardallocation_existingheap */
	struct d3dkmt_createstandardallocationflags flags; /* Bytes 16..20: struct d3dkmt_createstandardallocationflags */
	uint32_t reserved1; /* Bytes 20..24: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_createstandardallocation) == 24);

struct d3dddi_allocationinfo2_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t primary : 1;
			uint32_t stereo : 1;
			uint32_t override_priority : 1;
			uint32_t reserved : 29;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_allocationinfo2_flags) == 4);

struct d3dddi_allocationinfo2 {
	struct d3dkmthandle allocation; /* Bytes 0..4: struct d3dkmthandle */
	uint8_t padding_4[4]; /* Bytes 4..8: padding */
	uint64_t sysmem; /* Bytes 8..16: user pointer to const void */
	uint64_t priv_drv_data; /* Bytes 16..24: user pointer to void */
	uint32_t priv_drv_data_size; /* Bytes 24..28: __u32 */
	uint32_t vidpn_source_id; /* Bytes 28..32: __u32 */
	struct d3dddi_allocationinfo2_flags flags; /* Bytes 32..36: an inline aggregate */
	uint8_t padding_36[4]; /* Bytes 36..40: padding */
	uint64_t gpu_virtual_address; /* Bytes 40..48: __u64 */
	union {
		uint32_t priority; /* Bytes 0..4: __u32 */
		uint64_t unused; /* Bytes 0..8: __u64 */
	};
	uint64_t reserved[5]; /* Bytes 56..96: __u64[5] */
};
DXG_ASSERT(sizeof(struct d3dddi_allocationinfo2) == 96);

struct d3dkmt_createallocationflags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t create_resource : 1;
			uint32_t create_shared : 1;
			uint32_t non_secure : 1;
			uint32_t create_protected : 1;
			uint32_t restrict_shared_access : 1;
			uint32_t existing_sysmem : 1;
			uint32_t nt_security_sharing : 1;
			uint32_t read_only : 1;
			uint32_t create_write_combined : 1;
			uint32_t create_cached : 1;
			uint32_t swap_chain_back_buffer : 1;
			uint32_t cross_adapter : 1;
			uint32_t open_cross_adapter : 1;
			uint32_t partial_shared_creation : 1;
			uint32_t zeroed : 1;
			uint32_t write_watch : 1;
			uint32_t standard_allocation : 1;
			uint32_t existing_section : 1;
			uint32_t reserved : 14;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_createallocationflags) == 4);

struct d3dkmt_createallocation {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle resource; /* Bytes 4..8: struct d3dkmthandle */
	struct d3dkmthandle global_share; /* Bytes 8..12: struct d3dkmthandle */
	uint32_t reserved; /* Bytes 12..16: __u32 */
	uint64_t private_runtime_data; /* Bytes 16..24: user pointer to const void */
	uint32_t private_runtime_data_size; /* Bytes 24..28: __u32 */
	uint32_t reserved1; /* Bytes 28..32: __u32 */
	union {
		uint64_t standard_allocation; /* Bytes 0..8: user pointer to struct d3dkmt_createstandardallocation */
		uint64_t priv_drv_data; /* Bytes 0..8: user pointer to const void */
	};
	uint32_t priv_drv_data_size; /* Bytes 40..44: __u32 */
	uint32_t alloc_count; /* Bytes 44..48: __u32 */
	uint64_t allocation_info; /* Bytes 48..56: user pointer to struct d3dddi_allocationinfo2 */
	struct d3dkmt_createallocationflags flags; /* Bytes 56..60: struct d3dkmt_createallocationflags */
	uint32_t reserved2; /* Bytes 60..64: __u32 */
	uint64_t private_runtime_resource_handle; /* Bytes 64..72: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_createallocation) == 72);

struct d3dddicb_destroyallocation2flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t assume_not_in_use : 1;
			uint32_t synchronous_destroy : 1;
			uint32_t reserved : 29;
			uint32_t system_use_only : 1;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddicb_destroyallocation2flags) == 4);

struct d3dkmt_destroyallocation2 {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle resource; /* Bytes 4..8: struct d3dkmthandle */
	uint64_t allocations; /* Bytes 8..16: user pointer to const struct d3dkmthandle */
	uint32_t alloc_count; /* Bytes 16..20: __u32 */
	struct d3dddicb_destroyallocation2flags flags; /* Bytes 20..24: struct d3dddicb_destroyallocation2flags */
};
DXG_ASSERT(sizeof(struct d3dkmt_destroyallocation2) == 24);

struct d3dddicb_lock2flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t reserved : 32;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddicb_lock2flags) == 4);

struct d3dkmt_lock2 {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle allocation; /* Bytes 4..8: struct d3dkmthandle */
	struct d3dddicb_lock2flags flags; /* Bytes 8..12: struct d3dddicb_lock2flags */
	uint32_t reserved; /* Bytes 12..16: __u32 */
	uint64_t data; /* Bytes 16..24: user pointer to void */
};
DXG_ASSERT(sizeof(struct d3dkmt_lock2) == 24);

struct d3dkmt_unlock2 {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle allocation; /* Bytes 4..8: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_unlock2) == 8);

struct d3dkmt_invalidatecache {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle allocation; /* Bytes 4..8: struct d3dkmthandle */
	uint64_t offset; /* Bytes 8..16: __u64 */
	uint64_t length; /* Bytes 16..24: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_invalidatecache) == 24);

struct d3dddi_makeresident_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t cant_trim_further : 1;
			uint32_t must_succeed : 1;
			uint32_t reserved : 30;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_makeresident_flags) == 4);

struct d3dddi_makeresident {
	struct d3dkmthandle paging_queue; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t alloc_count; /* Bytes 4..8: __u32 */
	uint64_t allocation_list; /* Bytes 8..16: user pointer to const struct d3dkmthandle */
	uint64_t priority_list; /* Bytes 16..24: user pointer to const __u32 */
	struct d3dddi_makeresident_flags flags; /* Bytes 24..28: struct d3dddi_makeresident_flags */
	uint8_t padding_28[4]; /* Bytes 28..32: padding */
	uint64_t paging_fence_value; /* Bytes 32..40: __u64 */
	uint64_t num_bytes_to_trim; /* Bytes 40..48: __u64 */
};
DXG_ASSERT(sizeof(struct d3dddi_makeresident) == 48);

struct d3dddi_evict_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t evict_only_if_necessary : 1;
			uint32_t not_written_to : 1;
			uint32_t reserved : 30;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_evict_flags) == 4);

struct d3dkmt_evict {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t alloc_count; /* Bytes 4..8: __u32 */
	uint64_t allocations; /* Bytes 8..16: user pointer to const struct d3dkmthandle */
	struct d3dddi_evict_flags flags; /* Bytes 16..20: struct d3dddi_evict_flags */
	uint32_t reserved; /* Bytes 20..24: __u32 */
	uint64_t num_bytes_to_trim; /* Bytes 24..32: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_evict) == 32);

struct d3dkmt_setallocationpriority {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle resource; /* Bytes 4..8: struct d3dkmthandle */
	uint64_t allocation_list; /* Bytes 8..16: user pointer to const struct d3dkmthandle */
	uint32_t allocation_count; /* Bytes 16..20: __u32 */
	uint32_t reserved; /* Bytes 20..24: __u32 */
	uint64_t priorities; /* Bytes 24..32: user pointer to const __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_setallocationpriority) == 32);

struct d3dkmt_getallocationpriority {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle resource; /* Bytes 4..8: struct d3dkmthandle */
	uint64_t allocation_list; /* Bytes 8..16: user pointer to const struct d3dkmthandle */
	uint32_t allocation_count; /* Bytes 16..20: __u32 */
	uint32_t reserved; /* Bytes 20..24: __u32 */
	uint64_t priorities; /* Bytes 24..32: user pointer to __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_getallocationpriority) == 32);

struct d3dkmt_queryallocationresidency {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle resource; /* Bytes 4..8: struct d3dkmthandle */
	uint64_t allocations; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	uint32_t allocation_count; /* Bytes 16..20: __u32 */
	uint32_t reserved; /* Bytes 20..24: __u32 */
	uint64_t residency_status; /* Bytes 24..32: user pointer to enum d3dkmt_allocationresidencystatus */
};
DXG_ASSERT(sizeof(struct d3dkmt_queryallocationresidency) == 32);

struct d3dddi_updateallocproperty_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t accessed_physically : 1;
			uint32_t reserved : 31;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_updateallocproperty_flags) == 4);

struct d3dddi_segmentpreference {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t segment_id0 : 5;
			uint32_t direction0 : 1;
			uint32_t segment_id1 : 5;
			uint32_t direction1 : 1;
			uint32_t segment_id2 : 5;
			uint32_t direction2 : 1;
			uint32_t segment_id3 : 5;
			uint32_t direction3 : 1;
			uint32_t segment_id4 : 5;
			uint32_t direction4 : 1;
			uint32_t reserved : 2;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_segmentpreference) == 4);

struct d3dddi_updateallocproperty {
	struct d3dkmthandle paging_queue; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle allocation; /* Bytes 4..8: struct d3dkmthandle */
	uint32_t supported_segment_set; /* Bytes 8..12: __u32 */
	struct d3dddi_segmentpreference preferred_segment; /* Bytes 12..16: struct d3dddi_segmentpreference */
	struct d3dddi_updateallocproperty_flags flags; /* Bytes 16..20: struct d3dddi_updateallocproperty_flags */
	uint8_t padding_20[4]; /* Bytes 20..24: padding */
	uint64_t paging_fence_value; /* Bytes 24..32: __u64 */
	union {
		uint32_t property_mask_value; /* Bytes 32..36: __u32 */
		struct {
			uint32_t set_accessed_physically : 1;
			uint32_t set_supported_segmentSet : 1;
			uint32_t set_preferred_segment : 1;
			uint32_t reserved : 29;
		};
	};
	uint8_t padding_36[4]; /* Bytes 36..40: padding */
};
DXG_ASSERT(sizeof(struct d3dddi_updateallocproperty) == 40);

struct d3dkmt_offer_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t offer_immediately : 1;
			uint32_t allow_decommit : 1;
			uint32_t reserved : 30;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_offer_flags) == 4);

struct d3dkmt_offerallocations {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	uint64_t resources; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	uint64_t allocations; /* Bytes 16..24: user pointer to const struct d3dkmthandle */
	uint32_t allocation_count; /* Bytes 24..28: __u32 */
	uint32_t priority; /* Bytes 28..32: enum d3dkmt_offer_priority */
	struct d3dkmt_offer_flags flags; /* Bytes 32..36: struct d3dkmt_offer_flags */
	uint32_t reserved1; /* Bytes 36..40: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_offerallocations) == 40);

struct d3dkmt_reclaimallocations2 {
	struct d3dkmthandle paging_queue; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t allocation_count; /* Bytes 4..8: __u32 */
	uint64_t resources; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	uint64_t allocations; /* Bytes 16..24: user pointer to struct d3dkmthandle */
	union {
		uint64_t discarded; /* Bytes 0..8: user pointer to __u32 */
		uint64_t results; /* Bytes 0..8: user pointer to enum d3dddi_reclaim_result */
	};
	uint64_t paging_fence_value; /* Bytes 32..40: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_reclaimallocations2) == 40);

struct d3dkmdt_gdisurfacedata {
	uint32_t width; /* Bytes 0..4: __u32 */
	uint32_t height; /* Bytes 4..8: __u32 */
	uint32_t format; /* Bytes 8..12: __u32 */
	uint32_t type; /* Bytes 12..16: enum d3dkmdt_gdisurfacetype */
	uint32_t flags; /* Bytes 16..20: __u32 */
	uint32_t pitch; /* Bytes 20..24: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmdt_gdisurfacedata) == 24);

struct d3dkmdt_stagingsurfacedata {
	uint32_t width; /* Bytes 0..4: __u32 */
	uint32_t height; /* Bytes 4..8: __u32 */
	uint32_t pitch; /* Bytes 8..12: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmdt_stagingsurfacedata) == 12);

struct d3dkmdt_sharedprimarysurfacedata {
	uint32_t width; /* Bytes 0..4: __u32 */
	uint32_t height; /* Bytes 4..8: __u32 */
	uint32_t format; /* Bytes 8..12: enum d3dddiformat */
	struct d3dddi_rational refresh_rate; /* Bytes 12..20: struct d3dddi_rational */
	uint32_t vidpn_source_id; /* Bytes 20..24: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmdt_sharedprimarysurfacedata) == 24);

struct d3dkmdt_shadowsurfacedata {
	uint32_t width; /* Bytes 0..4: __u32 */
	uint32_t height; /* Bytes 4..8: __u32 */
	uint32_t format; /* Bytes 8..12: enum d3dddiformat */
	uint32_t pitch; /* Bytes 12..16: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmdt_shadowsurfacedata) == 16);

struct d3dddigpuva_protection_type {
	union {
		uint64_t value; /* Bytes 0..8: __u64 */
		struct {
			uint64_t write : 1;
			uint64_t execute : 1;
			uint64_t zero : 1;
			uint64_t no_access : 1;
			uint64_t system_use_only : 1;
			uint64_t reserved : 59;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddigpuva_protection_type) == 8);

struct d3dddi_updategpuvirtualaddress_operation_map {
	uint64_t base_address; /* Bytes 0..8: __u64 */
	uint64_t size; /* Bytes 8..16: __u64 */
	struct d3dkmthandle allocation; /* Bytes 16..20: struct d3dkmthandle */
	uint8_t padding_20[4]; /* Bytes 20..24: padding */
	uint64_t allocation_offset; /* Bytes 24..32: __u64 */
	uint64_t allocation_size; /* Bytes 32..40: __u64 */
};
DXG_ASSERT(sizeof(struct d3dddi_updategpuvirtualaddress_operation_map) == 40);

struct d3dddi_updategpuvirtualaddress_operation_map_protect {
	uint64_t base_address; /* Bytes 0..8: __u64 */
	uint64_t size; /* Bytes 8..16: __u64 */
	struct d3dkmthandle allocation; /* Bytes 16..20: struct d3dkmthandle */
	uint8_t padding_20[4]; /* Bytes 20..24: padding */
	uint64_t allocation_offset; /* Bytes 24..32: __u64 */
	uint64_t allocation_size; /* Bytes 32..40: __u64 */
	struct d3dddigpuva_protection_type protection; /* Bytes 40..48: struct d3dddigpuva_protection_type */
	uint64_t driver_protection; /* Bytes 48..56: __u64 */
};
DXG_ASSERT(sizeof(struct d3dddi_updategpuvirtualaddress_operation_map_protect) == 56);

struct d3dddi_updategpuvirtualaddress_operation_unmap {
	uint64_t base_address; /* Bytes 0..8: __u64 */
	uint64_t size; /* Bytes 8..16: __u64 */
	struct d3dddigpuva_protection_type protection; /* Bytes 16..24: struct d3dddigpuva_protection_type */
};
DXG_ASSERT(sizeof(struct d3dddi_updategpuvirtualaddress_operation_unmap) == 24);

struct d3dddi_updategpuvirtualaddress_operation_copy {
	uint64_t source_address; /* Bytes 0..8: __u64 */
	uint64_t size; /* Bytes 8..16: __u64 */
	uint64_t dest_address; /* Bytes 16..24: __u64 */
};
DXG_ASSERT(sizeof(struct d3dddi_updategpuvirtualaddress_operation_copy) == 24);

struct d3dddi_updategpuvirtualaddress_operation {
	uint32_t operation; /* Bytes 0..4: enum d3dddi_updategpuvirtualaddress_operation_type */
	uint8_t padding_4[4]; /* Bytes 4..8: padding */
	union {
		struct d3dddi_updategpuvirtualaddress_operation_map map; /* Bytes 0..40: an inline aggregate */
		struct d3dddi_updategpuvirtualaddress_operation_map_protect map_protect; /* Bytes 0..56: an inline aggregate */
		struct d3dddi_updategpuvirtualaddress_operation_unmap unmap; /* Bytes 0..24: an inline aggregate */
		struct d3dddi_updategpuvirtualaddress_operation_copy copy; /* Bytes 0..24: an inline aggregate */
	};
};
DXG_ASSERT(sizeof(struct d3dddi_updategpuvirtualaddress_operation) == 64);

struct d3dkmt_updategpuvirtualaddress_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t do_not_wait : 1;
			uint32_t reserved : 31;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_updategpuvirtualaddress_flags) == 4);

struct d3dkmt_updategpuvirtualaddress {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle context; /* Bytes 4..8: struct d3dkmthandle */
	struct d3dkmthandle fence_object; /* Bytes 8..12: struct d3dkmthandle */
	uint32_t num_operations; /* Bytes 12..16: __u32 */
	uint64_t operations; /* Bytes 16..24: user pointer to struct d3dddi_updategpuvirtualaddress_operation */
	uint32_t reserved0; /* Bytes 24..28: __u32 */
	uint32_t reserved1; /* Bytes 28..32: __u32 */
	uint64_t reserved2; /* Bytes 32..40: __u64 */
	uint64_t fence_value; /* Bytes 40..48: __u64 */
	struct d3dkmt_updategpuvirtualaddress_flags flags; /* Bytes 48..52: an inline aggregate */
	uint32_t reserved3; /* Bytes 52..56: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_updategpuvirtualaddress) == 56);

struct d3dddi_mapgpuvirtualaddress {
	struct d3dkmthandle paging_queue; /* Bytes 0..4: struct d3dkmthandle */
	uint8_t padding_4[4]; /* Bytes 4..8: padding */
	uint64_t base_address; /* Bytes 8..16: __u64 */
	uint64_t minimum_address; /* Bytes 16..24: __u64 */
	uint64_t maximum_address; /* Bytes 24..32: __u64 */
	struct d3dkmthandle allocation; /* Bytes 32..36: struct d3dkmthandle */
	uint8_t padding_36[4]; /* Bytes 36..40: padding */
	uint64_t offset_in_pages; /* Bytes 40..48: __u64 */
	uint64_t size_in_pages; /* Bytes 48..56: __u64 */
	struct d3dddigpuva_protection_type protection; /* Bytes 56..64: struct d3dddigpuva_protection_type */
	uint64_t driver_protection; /* Bytes 64..72: __u64 */
	uint32_t reserved0; /* Bytes 72..76: __u32 */
	uint8_t padding_76[4]; /* Bytes 76..80: padding */
	uint64_t reserved1; /* Bytes 80..88: __u64 */
	uint64_t virtual_address; /* Bytes 88..96: __u64 */
	uint64_t paging_fence_value; /* Bytes 96..104: __u64 */
};
DXG_ASSERT(sizeof(struct d3dddi_mapgpuvirtualaddress) == 104);

struct d3dddi_reservegpuvirtualaddress {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
	uint8_t padding_4[4]; /* Bytes 4..8: padding */
	uint64_t base_address; /* Bytes 8..16: __u64 */
	uint64_t minimum_address; /* Bytes 16..24: __u64 */
	uint64_t maximum_address; /* Bytes 24..32: __u64 */
	uint64_t size; /* Bytes 32..40: __u64 */
	uint32_t reservation_type; /* Bytes 40..44: enum d3dddigpuva_reservation_type */
	uint8_t padding_44[4]; /* Bytes 44..48: padding */
	uint64_t driver_protection; /* Bytes 48..56: __u64 */
	uint64_t virtual_address; /* Bytes 56..64: __u64 */
	uint64_t paging_fence_value; /* Bytes 64..72: __u64 */
};
DXG_ASSERT(sizeof(struct d3dddi_reservegpuvirtualaddress) == 72);

struct d3dkmt_freegpuvirtualaddress {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	uint64_t base_address; /* Bytes 8..16: __u64 */
	uint64_t size; /* Bytes 16..24: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_freegpuvirtualaddress) == 24);

struct d3dddi_synchronizationobject_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t shared : 1;
			uint32_t nt_security_sharing : 1;
			uint32_t cross_adapter : 1;
			uint32_t top_of_pipeline : 1;
			uint32_t no_signal : 1;
			uint32_t no_wait : 1;
			uint32_t no_signal_max_value_on_tdr : 1;
			uint32_t no_gpu_access : 1;
			uint32_t reserved : 23;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobject_flags) == 4);

struct d3dddi_synchronizationobjectinfo2_synchronization_mutex {
	uint32_t initial_state; /* Bytes 0..4: __u32 */
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobjectinfo2_synchronization_mutex) == 4);

struct d3dddi_synchronizationobjectinfo2_semaphore {
	uint32_t max_count; /* Bytes 0..4: __u32 */
	uint32_t initial_count; /* Bytes 4..8: __u32 */
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobjectinfo2_semaphore) == 8);

struct d3dddi_synchronizationobjectinfo2_fence {
	uint64_t fence_value; /* Bytes 0..8: __u64 */
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobjectinfo2_fence) == 8);

struct d3dddi_synchronizationobjectinfo2_cpu_notification {
	uint64_t event; /* Bytes 0..8: __u64 */
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobjectinfo2_cpu_notification) == 8);

struct d3dddi_synchronizationobjectinfo2_monitored_fence {
	uint64_t initial_fence_value; /* Bytes 0..8: __u64 */
	uint64_t fence_cpu_virtual_address; /* Bytes 8..16: user pointer to void */
	uint64_t fence_gpu_virtual_address; /* Bytes 16..24: __u64 */
	uint32_t engine_affinity; /* Bytes 24..28: __u32 */
	uint8_t padding_28[4]; /* Bytes 28..32: padding */
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobjectinfo2_monitored_fence) == 32);

struct d3dddi_synchronizationobjectinfo2_periodic_monitored_fence {
	struct d3dkmthandle adapter; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t vidpn_target_id; /* Bytes 4..8: __u32 */
	uint64_t time; /* Bytes 8..16: __u64 */
	uint64_t fence_cpu_virtual_address; /* Bytes 16..24: user pointer to void */
	uint64_t fence_gpu_virtual_address; /* Bytes 24..32: __u64 */
	uint32_t engine_affinity; /* Bytes 32..36: __u32 */
	uint8_t padding_36[4]; /* Bytes 36..40: padding */
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobjectinfo2_periodic_monitored_fence) == 40);

struct d3dddi_synchronizationobjectinfo2_reserved {
	uint64_t reserved[8]; /* Bytes 0..64: __u64[8] */
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobjectinfo2_reserved) == 64);

struct d3dddi_synchronizationobjectinfo2 {
	uint32_t type; /* Bytes 0..4: enum d3dddi_synchronizationobject_type */
	struct d3dddi_synchronizationobject_flags flags; /* Bytes 4..8: struct d3dddi_synchronizationobject_flags */
	union {
		struct d3dddi_synchronizationobjectinfo2_synchronization_mutex synchronization_mutex; /* Bytes 0..4: an inline aggregate */
		struct d3dddi_synchronizationobjectinfo2_semaphore semaphore; /* Bytes 0..8: an inline aggregate */
		struct d3dddi_synchronizationobjectinfo2_fence fence; /* Bytes 0..8: an inline aggregate */
		struct d3dddi_synchronizationobjectinfo2_cpu_notification cpu_notification; /* Bytes 0..8: an inline aggregate */
		struct d3dddi_synchronizationobjectinfo2_monitored_fence monitored_fence; /* Bytes 0..32: an inline aggregate */
		struct d3dddi_synchronizationobjectinfo2_periodic_monitored_fence periodic_monitored_fence; /* Bytes 0..40: an inline aggregate */
		struct d3dddi_synchronizationobjectinfo2_reserved reserved; /* Bytes 0..64: an inline aggregate */
	};
	struct d3dkmthandle shared_handle; /* Bytes 72..76: struct d3dkmthandle */
	uint8_t padding_76[4]; /* Bytes 76..80: padding */
};
DXG_ASSERT(sizeof(struct d3dddi_synchronizationobjectinfo2) == 80);

struct d3dkmt_createsynchronizationobject2 {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	struct d3dddi_synchronizationobjectinfo2 info; /* Bytes 8..88: struct d3dddi_synchronizationobjectinfo2 */
	struct d3dkmthandle sync_object; /* Bytes 88..92: struct d3dkmthandle */
	uint32_t reserved1; /* Bytes 92..96: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_createsynchronizationobject2) == 96);

struct d3dkmt_destroysynchronizationobject {
	struct d3dkmthandle sync_object; /* Bytes 0..4: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_destroysynchronizationobject) == 4);

struct d3dkmt_waitforsynchronizationobject2_fence {
	uint64_t fence_value; /* Bytes 0..8: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_waitforsynchronizationobject2_fence) == 8);

struct d3dkmt_waitforsynchronizationobject2 {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t object_count; /* Bytes 4..8: __u32 */
	struct d3dkmthandle object_array[32]; /* Bytes 8..136: struct d3dkmthandle[32] */
	union {
		struct d3dkmt_waitforsynchronizationobject2_fence fence; /* Bytes 0..8: an inline aggregate */
		uint64_t reserved[8]; /* Bytes 0..64: __u64[8] */
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_waitforsynchronizationobject2) == 200);

struct d3dddicb_signalflags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t signal_at_submission : 1;
			uint32_t enqueue_cpu_event : 1;
			uint32_t allow_fence_rewind : 1;
			uint32_t reserved : 28;
			uint32_t DXGK_SIGNAL_FLAG_INTERNAL0 : 1;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddicb_signalflags) == 4);

struct d3dkmt_signalsynchronizationobject2_fence {
	uint64_t fence_value; /* Bytes 0..8: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_signalsynchronizationobject2_fence) == 8);

struct d3dkmt_signalsynchronizationobject2 {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t object_count; /* Bytes 4..8: __u32 */
	struct d3dkmthandle object_array[32]; /* Bytes 8..136: struct d3dkmthandle[32] */
	struct d3dddicb_signalflags flags; /* Bytes 136..140: struct d3dddicb_signalflags */
	uint32_t context_count; /* Bytes 140..144: __u32 */
	struct d3dkmthandle contexts[64]; /* Bytes 144..400: struct d3dkmthandle[64] */
	union {
		struct d3dkmt_signalsynchronizationobject2_fence fence; /* Bytes 0..8: an inline aggregate */
		uint64_t cpu_event_handle; /* Bytes 0..8: __u64 */
		uint64_t reserved[8]; /* Bytes 0..64: __u64[8] */
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_signalsynchronizationobject2) == 464);

struct d3dddi_waitforsynchronizationobjectfromcpu_flags {
	union {
		uint32_t value; /* Bytes 0..4: __u32 */
		struct {
			uint32_t wait_any : 1;
			uint32_t reserved : 31;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dddi_waitforsynchronizationobjectfromcpu_flags) == 4);

struct d3dkmt_waitforsynchronizationobjectfromcpu {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t object_count; /* Bytes 4..8: __u32 */
	uint64_t objects; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	uint64_t fence_values; /* Bytes 16..24: user pointer to __u64 */
	uint64_t async_event; /* Bytes 24..32: __u64 */
	struct d3dddi_waitforsynchronizationobjectfromcpu_flags flags; /* Bytes 32..36: struct d3dddi_waitforsynchronizationobjectfromcpu_flags */
	uint8_t padding_36[4]; /* Bytes 36..40: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_waitforsynchronizationobjectfromcpu) == 40);

struct d3dkmt_signalsynchronizationobjectfromcpu {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t object_count; /* Bytes 4..8: __u32 */
	uint64_t objects; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	uint64_t fence_values; /* Bytes 16..24: user pointer to __u64 */
	struct d3dddicb_signalflags flags; /* Bytes 24..28: struct d3dddicb_signalflags */
	uint8_t padding_28[4]; /* Bytes 28..32: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_signalsynchronizationobjectfromcpu) == 32);

struct d3dkmt_waitforsynchronizationobjectfromgpu {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t object_count; /* Bytes 4..8: __u32 */
	uint64_t objects; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	union {
		uint64_t monitored_fence_values; /* Bytes 0..8: user pointer to __u64 */
		uint64_t fence_value; /* Bytes 0..8: __u64 */
		uint64_t reserved[8]; /* Bytes 0..64: __u64[8] */
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_waitforsynchronizationobjectfromgpu) == 80);

struct d3dkmt_signalsynchronizationobjectfromgpu {
	struct d3dkmthandle context; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t object_count; /* Bytes 4..8: __u32 */
	uint64_t objects; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	union {
		uint64_t monitored_fence_values; /* Bytes 0..8: user pointer to __u64 */
		uint64_t reserved[8]; /* Bytes 0..64: __u64[8] */
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_signalsynchronizationobjectfromgpu) == 80);

struct d3dkmt_signalsynchronizationobjectfromgpu2 {
	uint32_t object_count; /* Bytes 0..4: __u32 */
	uint32_t reserved1; /* Bytes 4..8: __u32 */
	uint64_t objects; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	struct d3dddicb_signalflags flags; /* Bytes 16..20: struct d3dddicb_signalflags */
	uint32_t context_count; /* Bytes 20..24: __u32 */
	uint64_t contexts; /* Bytes 24..32: user pointer to struct d3dkmthandle */
	union {
		uint64_t fence_value; /* Bytes 0..8: __u64 */
		uint64_t cpu_event_handle; /* Bytes 0..8: __u64 */
		uint64_t monitored_fence_values; /* Bytes 0..8: user pointer to __u64 */
		uint64_t reserved[8]; /* Bytes 0..64: __u64[8] */
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_signalsynchronizationobjectfromgpu2) == 96);

struct d3dkmt_submitwaitforsyncobjectstohwqueue {
	struct d3dkmthandle hwqueue; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t object_count; /* Bytes 4..8: __u32 */
	uint64_t objects; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	uint64_t fence_values; /* Bytes 16..24: user pointer to __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_submitwaitforsyncobjectstohwqueue) == 24);

struct d3dkmt_submitsignalsyncobjectstohwqueue {
	struct d3dddicb_signalflags flags; /* Bytes 0..4: struct d3dddicb_signalflags */
	uint32_t hwqueue_count; /* Bytes 4..8: __u32 */
	uint64_t hwqueues; /* Bytes 8..16: user pointer to struct d3dkmthandle */
	uint32_t object_count; /* Bytes 16..20: __u32 */
	uint32_t reserved; /* Bytes 20..24: __u32 */
	uint64_t objects; /* Bytes 24..32: user pointer to struct d3dkmthandle */
	uint64_t fence_values; /* Bytes 32..40: user pointer to __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_submitsignalsyncobjectstohwqueue) == 40);

struct d3dkmt_submitcommandflags {
	union {
		uint32_t value; /* Bytes 0..4: the word that holds the bit fields */
		struct {
			uint32_t null_rendering : 1;
			uint32_t present_redirected : 1;
			uint32_t reserved : 30;
		};
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_submitcommandflags) == 4);

struct d3dkmt_submitcommand {
	uint64_t command_buffer; /* Bytes 0..8: __u64 */
	uint32_t command_length; /* Bytes 8..12: __u32 */
	struct d3dkmt_submitcommandflags flags; /* Bytes 12..16: struct d3dkmt_submitcommandflags */
	uint64_t present_history_token; /* Bytes 16..24: __u64 */
	uint32_t broadcast_context_count; /* Bytes 24..28: __u32 */
	struct d3dkmthandle broadcast_context[64]; /* Bytes 28..284: struct d3dkmthandle[64] */
	uint32_t reserved; /* Bytes 284..288: __u32 */
	uint64_t priv_drv_data; /* Bytes 288..296: user pointer to void */
	uint32_t priv_drv_data_size; /* Bytes 296..300: __u32 */
	uint32_t num_primaries; /* Bytes 300..304: __u32 */
	struct d3dkmthandle written_primaries[16]; /* Bytes 304..368: struct d3dkmthandle[16] */
	uint32_t num_history_buffers; /* Bytes 368..372: __u32 */
	uint32_t reserved1; /* Bytes 372..376: __u32 */
	uint64_t history_buffer_array; /* Bytes 376..384: user pointer to struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_submitcommand) == 384);

struct d3dkmt_submitcommandtohwqueue {
	struct d3dkmthandle hwqueue; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	uint64_t hwqueue_progress_fence_id; /* Bytes 8..16: __u64 */
	uint64_t command_buffer; /* Bytes 16..24: __u64 */
	uint32_t command_length; /* Bytes 24..28: __u32 */
	uint32_t priv_drv_data_size; /* Bytes 28..32: __u32 */
	uint64_t priv_drv_data; /* Bytes 32..40: user pointer to void */
	uint32_t num_primaries; /* Bytes 40..44: __u32 */
	uint32_t reserved1; /* Bytes 44..48: __u32 */
	uint64_t written_primaries; /* Bytes 48..56: user pointer to struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_submitcommandtohwqueue) == 56);

struct d3dkmt_shareobjects {
	uint32_t object_count; /* Bytes 0..4: __u32 */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	uint64_t objects; /* Bytes 8..16: user pointer to const struct d3dkmthandle */
	uint64_t object_attr; /* Bytes 16..24: user pointer to void */
	uint32_t desired_access; /* Bytes 24..28: __u32 */
	uint32_t reserved1; /* Bytes 28..32: __u32 */
	uint64_t shared_handle; /* Bytes 32..40: user pointer to __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_shareobjects) == 40);

struct d3dkmt_shareobjectwithhost {
	struct d3dkmthandle device_handle; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle object_handle; /* Bytes 4..8: struct d3dkmthandle */
	uint64_t reserved; /* Bytes 8..16: __u64 */
	uint64_t object_vail_nt_handle; /* Bytes 16..24: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_shareobjectwithhost) == 24);

struct d3dkmt_opensyncobjectfromnthandle2_monitored_fence {
	uint64_t fence_value_cpu_va; /* Bytes 0..8: user pointer to void */
	uint64_t fence_value_gpu_va; /* Bytes 8..16: __u64 */
	uint32_t engine_affinity; /* Bytes 16..20: __u32 */
	uint8_t padding_20[4]; /* Bytes 20..24: padding */
};
DXG_ASSERT(sizeof(struct d3dkmt_opensyncobjectfromnthandle2_monitored_fence) == 24);

struct d3dkmt_opensyncobjectfromnthandle2 {
	uint64_t nt_handle; /* Bytes 0..8: __u64 */
	struct d3dkmthandle device; /* Bytes 8..12: struct d3dkmthandle */
	struct d3dddi_synchronizationobject_flags flags; /* Bytes 12..16: struct d3dddi_synchronizationobject_flags */
	struct d3dkmthandle sync_object; /* Bytes 16..20: struct d3dkmthandle */
	uint32_t reserved1; /* Bytes 20..24: __u32 */
	union {
		struct d3dkmt_opensyncobjectfromnthandle2_monitored_fence monitored_fence; /* Bytes 0..24: an inline aggregate */
		uint64_t reserved[8]; /* Bytes 0..64: __u64[8] */
	};
};
DXG_ASSERT(sizeof(struct d3dkmt_opensyncobjectfromnthandle2) == 88);

struct d3dkmt_queryresourceinfofromnthandle {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	uint64_t nt_handle; /* Bytes 8..16: __u64 */
	uint64_t private_runtime_data; /* Bytes 16..24: user pointer to void */
	uint32_t private_runtime_data_size; /* Bytes 24..28: __u32 */
	uint32_t total_priv_drv_data_size; /* Bytes 28..32: __u32 */
	uint32_t resource_priv_drv_data_size; /* Bytes 32..36: __u32 */
	uint32_t allocation_count; /* Bytes 36..40: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_queryresourceinfofromnthandle) == 40);

struct d3dddi_openallocationinfo2 {
	struct d3dkmthandle allocation; /* Bytes 0..4: struct d3dkmthandle */
	uint8_t padding_4[4]; /* Bytes 4..8: padding */
	uint64_t priv_drv_data; /* Bytes 8..16: user pointer to void */
	uint32_t priv_drv_data_size; /* Bytes 16..20: __u32 */
	uint8_t padding_20[4]; /* Bytes 20..24: padding */
	uint64_t gpu_va; /* Bytes 24..32: __u64 */
	uint64_t reserved[6]; /* Bytes 32..80: __u64[6] */
};
DXG_ASSERT(sizeof(struct d3dddi_openallocationinfo2) == 80);

struct d3dkmt_openresourcefromnthandle {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	uint32_t reserved; /* Bytes 4..8: __u32 */
	uint64_t nt_handle; /* Bytes 8..16: __u64 */
	uint32_t allocation_count; /* Bytes 16..20: __u32 */
	uint32_t reserved1; /* Bytes 20..24: __u32 */
	uint64_t open_alloc_info; /* Bytes 24..32: user pointer to struct d3dddi_openallocationinfo2 */
	int32_t private_runtime_data_size; /* Bytes 32..36: __s32 */
	uint32_t reserved2; /* Bytes 36..40: __u32 */
	uint64_t private_runtime_data; /* Bytes 40..48: user pointer to void */
	uint32_t resource_priv_drv_data_size; /* Bytes 48..52: __u32 */
	uint32_t reserved3; /* Bytes 52..56: __u32 */
	uint64_t resource_priv_drv_data; /* Bytes 56..64: user pointer to void */
	uint32_t total_priv_drv_data_size; /* Bytes 64..68: __u32 */
	uint8_t padding_68[4]; /* Bytes 68..72: padding */
	uint64_t total_priv_drv_data; /* Bytes 72..80: user pointer to void */
	struct d3dkmthandle resource; /* Bytes 80..84: struct d3dkmthandle */
	struct d3dkmthandle keyed_mutex; /* Bytes 84..88: struct d3dkmthandle */
	uint64_t keyed_mutex_private_data; /* Bytes 88..96: user pointer to void */
	uint32_t keyed_mutex_private_data_size; /* Bytes 96..100: __u32 */
	struct d3dkmthandle sync_object; /* Bytes 100..104: struct d3dkmthandle */
};
DXG_ASSERT(sizeof(struct d3dkmt_openresourcefromnthandle) == 104);

struct d3dkmt_createsyncfile {
	struct d3dkmthandle device; /* Bytes 0..4: struct d3dkmthandle */
	struct d3dkmthandle monitored_fence; /* Bytes 4..8: struct d3dkmthandle */
	uint64_t fence_value; /* Bytes 8..16: __u64 */
	uint64_t sync_file_handle; /* Bytes 16..24: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_createsyncfile) == 24);

struct d3dkmt_waitsyncfile {
	uint64_t sync_file_handle; /* Bytes 0..8: __u64 */
	struct d3dkmthandle context; /* Bytes 8..12: struct d3dkmthandle */
	uint32_t reserved; /* Bytes 12..16: __u32 */
};
DXG_ASSERT(sizeof(struct d3dkmt_waitsyncfile) == 16);

struct d3dkmt_opensyncobjectfromsyncfile {
	uint64_t sync_file_handle; /* Bytes 0..8: __u64 */
	struct d3dkmthandle device; /* Bytes 8..12: struct d3dkmthandle */
	struct d3dkmthandle syncobj; /* Bytes 12..16: struct d3dkmthandle */
	uint64_t fence_value; /* Bytes 16..24: __u64 */
	uint64_t fence_value_cpu_va; /* Bytes 24..32: user pointer to void */
	uint64_t fence_value_gpu_va; /* Bytes 32..40: __u64 */
};
DXG_ASSERT(sizeof(struct d3dkmt_opensyncobjectfromsyncfile) == 40);

/* Requests. */
#define LX_DXOPENADAPTERFROMLUID _IOWR('G', 0x01, struct d3dkmt_openadapterfromluid)
#define LX_DXCREATEDEVICE _IOWR('G', 0x02, struct d3dkmt_createdevice)
#define LX_DXCREATECONTEXTVIRTUAL _IOWR('G', 0x04, struct d3dkmt_createcontextvirtual)
#define LX_DXDESTROYCONTEXT _IOWR('G', 0x05, struct d3dkmt_destroycontext)
#define LX_DXCREATEALLOCATION _IOWR('G', 0x06, struct d3dkmt_createallocation)
#define LX_DXCREATEPAGINGQUEUE _IOWR('G', 0x07, struct d3dkmt_createpagingqueue)
#define LX_DXRESERVEGPUVIRTUALADDRESS _IOWR('G', 0x08, struct d3dddi_reservegpuvirtualaddress)
#define LX_DXQUERYADAPTERINFO _IOWR('G', 0x09, struct d3dkmt_queryadapterinfo)
#define LX_DXQUERYVIDEOMEMORYINFO _IOWR('G', 0x0a, struct d3dkmt_queryvideomemoryinfo)
#define LX_DXMAKERESIDENT _IOWR('G', 0x0b, struct d3dddi_makeresident)
#define LX_DXMAPGPUVIRTUALADDRESS _IOWR('G', 0x0c, struct d3dddi_mapgpuvirtualaddress)
#define LX_DXESCAPE _IOWR('G', 0x0d, struct d3dkmt_escape)
#define LX_DXGETDEVICESTATE _IOWR('G', 0x0e, struct d3dkmt_getdevicestate)
#define LX_DXSUBMITCOMMAND _IOWR('G', 0x0f, struct d3dkmt_submitcommand)
#define LX_DXCREATESYNCHRONIZATIONOBJECT _IOWR('G', 0x10, struct d3dkmt_createsynchronizationobject2)
#define LX_DXSIGNALSYNCHRONIZATIONOBJECT _IOWR('G', 0x11, struct d3dkmt_signalsynchronizationobject2)
#define LX_DXWAITFORSYNCHRONIZATIONOBJECT _IOWR('G', 0x12, struct d3dkmt_waitforsynchronizationobject2)
#define LX_DXDESTROYALLOCATION2 _IOWR('G', 0x13, struct d3dkmt_destroyallocation2)
#define LX_DXENUMADAPTERS2 _IOWR('G', 0x14, struct d3dkmt_enumadapters2)
#define LX_DXCLOSEADAPTER _IOWR('G', 0x15, struct d3dkmt_closeadapter)
#define LX_DXCHANGEVIDEOMEMORYRESERVATION _IOWR('G', 0x16, struct d3dkmt_changevideomemoryreservation)
#define LX_DXCREATEHWQUEUE _IOWR('G', 0x18, struct d3dkmt_createhwqueue)
#define LX_DXDESTROYDEVICE _IOWR('G', 0x19, struct d3dkmt_destroydevice)
#define LX_DXDESTROYHWQUEUE _IOWR('G', 0x1b, struct d3dkmt_destroyhwqueue)
#define LX_DXDESTROYPAGINGQUEUE _IOWR('G', 0x1c, struct d3dddi_destroypagingqueue)
#define LX_DXDESTROYSYNCHRONIZATIONOBJECT _IOWR('G', 0x1d, struct d3dkmt_destroysynchronizationobject)
#define LX_DXEVICT _IOWR('G', 0x1e, struct d3dkmt_evict)
#define LX_DXFLUSHHEAPTRANSITIONS _IOWR('G', 0x1f, struct d3dkmt_flushheaptransitions)
#define LX_DXFREEGPUVIRTUALADDRESS _IOWR('G', 0x20, struct d3dkmt_freegpuvirtualaddress)
#define LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY _IOWR('G', 0x21, struct d3dkmt_getcontextinprocessschedulingpriority)
#define LX_DXGETCONTEXTSCHEDULINGPRIORITY _IOWR('G', 0x22, struct d3dkmt_getcontextschedulingpriority)
#define LX_DXLOCK2 _IOWR('G', 0x25, struct d3dkmt_lock2)
#define LX_DXMARKDEVICEASERROR _IOWR('G', 0x26, struct d3dkmt_markdeviceaserror)
#define LX_DXOFFERALLOCATIONS _IOWR('G', 0x27, struct d3dkmt_offerallocations)
#define LX_DXQUERYALLOCATIONRESIDENCY _IOWR('G', 0x2a, struct d3dkmt_queryallocationresidency)
#define LX_DXRECLAIMALLOCATIONS2 _IOWR('G', 0x2c, struct d3dkmt_reclaimallocations2)
#define LX_DXSETALLOCATIONPRIORITY _IOWR('G', 0x2e, struct d3dkmt_setallocationpriority)
#define LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY _IOWR('G', 0x2f, struct d3dkmt_setcontextinprocessschedulingpriority)
#define LX_DXSETCONTEXTSCHEDULINGPRIORITY _IOWR('G', 0x30, struct d3dkmt_setcontextschedulingpriority)
#define LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU _IOWR('G', 0x31, struct d3dkmt_signalsynchronizationobjectfromcpu)
#define LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU _IOWR('G', 0x32, struct d3dkmt_signalsynchronizationobjectfromgpu)
#define LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2 _IOWR('G', 0x33, struct d3dkmt_signalsynchronizationobjectfromgpu2)
#define LX_DXSUBMITCOMMANDTOHWQUEUE _IOWR('G', 0x34, struct d3dkmt_submitcommandtohwqueue)
#define LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE _IOWR('G', 0x35, struct d3dkmt_submitsignalsyncobjectstohwqueue)
#define LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE _IOWR('G', 0x36, struct d3dkmt_submitwaitforsyncobjectstohwqueue)
#define LX_DXUNLOCK2 _IOWR('G', 0x37, struct d3dkmt_unlock2)
#define LX_DXUPDATEALLOCPROPERTY _IOWR('G', 0x38, struct d3dddi_updateallocproperty)
#define LX_DXUPDATEGPUVIRTUALADDRESS _IOWR('G', 0x39, struct d3dkmt_updategpuvirtualaddress)
#define LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU _IOWR('G', 0x3a, struct d3dkmt_waitforsynchronizationobjectfromcpu)
#define LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU _IOWR('G', 0x3b, struct d3dkmt_waitforsynchronizationobjectfromgpu)
#define LX_DXGETALLOCATIONPRIORITY _IOWR('G', 0x3c, struct d3dkmt_getallocationpriority)
#define LX_DXQUERYCLOCKCALIBRATION _IOWR('G', 0x3d, struct d3dkmt_queryclockcalibration)
#define LX_DXENUMADAPTERS3 _IOWR('G', 0x3e, struct d3dkmt_enumadapters3)
#define LX_DXSHAREOBJECTS _IOWR('G', 0x3f, struct d3dkmt_shareobjects)
#define LX_DXOPENSYNCOBJECTFROMNTHANDLE2 _IOWR('G', 0x40, struct d3dkmt_opensyncobjectfromnthandle2)
#define LX_DXQUERYRESOURCEINFOFROMNTHANDLE _IOWR('G', 0x41, struct d3dkmt_queryresourceinfofromnthandle)
#define LX_DXOPENRESOURCEFROMNTHANDLE _IOWR('G', 0x42, struct d3dkmt_openresourcefromnthandle)
#define LX_DXQUERYSTATISTICS _IOWR('G', 0x43, struct d3dkmt_querystatistics)
#define LX_DXSHAREOBJECTWITHHOST _IOWR('G', 0x44, struct d3dkmt_shareobjectwithhost)
#define LX_DXCREATESYNCFILE _IOWR('G', 0x45, struct d3dkmt_createsyncfile)
#define LX_DXWAITSYNCFILE _IOWR('G', 0x46, struct d3dkmt_waitsyncfile)
#define LX_DXOPENSYNCOBJECTFROMSYNCFILE _IOWR('G', 0x47, struct d3dkmt_opensyncobjectfromsyncfile)

/* Requests of newer drivers; older ones answer ENOTTY. */
#define LX_DXINVALIDATECACHE _IOWR('G', 0x24, struct d3dkmt_invalidatecache)
#define LX_DXENUMPROCESSES _IOWR('G', 0x48, struct d3dkmt_enumprocesses)
#define LX_ISFEATUREENABLED _IOWR('G', 0x49, struct d3dkmt_isfeatureenabled)

/* Calls X(request, its argument) for each request that every driver has. */
#define DXG_EACH_REQUEST(X) \
	X(LX_DXOPENADAPTERFROMLUID, struct d3dkmt_openadapterfromluid) \
	X(LX_DXCREATEDEVICE, struct d3dkmt_createdevice) \
	X(LX_DXCREATECONTEXTVIRTUAL, struct d3dkmt_createcontextvirtual) \
	X(LX_DXDESTROYCONTEXT, struct d3dkmt_destroycontext) \
	X(LX_DXCREATEALLOCATION, struct d3dkmt_createallocation) \
	X(LX_DXCREATEPAGINGQUEUE, struct d3dkmt_createpagingqueue) \
	X(LX_DXRESERVEGPUVIRTUALADDRESS, struct d3dddi_reservegpuvirtualaddress) \
	X(LX_DXQUERYADAPTERINFO, struct d3dkmt_queryadapterinfo) \
	X(LX_DXQUERYVIDEOMEMORYINFO, struct d3dkmt_queryvideomemoryinfo) \
	X(LX_DXMAKERESIDENT, struct d3dddi_makeresident) \
	X(LX_DXMAPGPUVIRTUALADDRESS, struct d3dddi_mapgpuvirtualaddress) \
	X(LX_DXESCAPE, struct d3dkmt_escape) \
	X(LX_DXGETDEVICESTATE, struct d3dkmt_getdevicestate) \
	X(LX_DXSUBMITCOMMAND, struct d3dkmt_submitcommand) \
	X(LX_DXCREATESYNCHRONIZATIONOBJECT, struct d3dkmt_createsynchronizationobject2) \
	X(LX_DXSIGNALSYNCHRONIZATIONOBJECT, struct d3dkmt_signalsynchronizationobject2) \
	X(LX_DXWAITFORSYNCHRONIZATIONOBJECT, struct d3dkmt_waitforsynchronizationobject2) \
	X(LX_DXDESTROYALLOCATION2, struct d3dkmt_destroyallocation2) \
	X(LX_DXENUMADAPTERS2, struct d3dkmt_enumadapters2) \
	X(LX_DXCLOSEADAPTER, struct d3dkmt_closeadapter) \
	X(LX_DXCHANGEVIDEOMEMORYRESERVATION, struct d3dkmt_changevideomemoryreservation) \
	X(LX_DXCREATEHWQUEUE, struct d3dkmt_createhwqueue) \
	X(LX_DXDESTROYDEVICE, struct d3dkmt_destroydevice) \
	X(LX_DXDESTROYHWQUEUE, struct d3dkmt_destroyhwqueue) \
	X(LX_DXDESTROYPAGINGQUEUE, struct d3dddi_destroypagingqueue) \
	X(LX_DXDESTROYSYNCHRONIZATIONOBJECT, struct d3dkmt_destroysynchronizationobject) \
	X(LX_DXEVICT, struct d3dkmt_evict) \
	X(LX_DXFLUSHHEAPTRANSITIONS, struct d3dkmt_flushheaptransitions) \
	X(LX_DXFREEGPUVIRTUALADDRESS, struct d3dkmt_freegpuvirtualaddress) \
	X(LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY, struct d3dkmt_getcontextinprocessschedulingpriority) \
	X(LX_DXGETCONTEXTSCHEDULINGPRIORITY, struct d3dkmt_getcontextschedulingpriority) \
	X(LX_DXLOCK2, struct d3dkmt_lock2) \
	X(LX_DXMARKDEVICEASERROR, struct d3dkmt_markdeviceaserror) \
	X(LX_DXOFFERALLOCATIONS, struct d3dkmt_offerallocations) \
	X(LX_DXQUERYALLOCATIONRESIDENCY, struct d3dkmt_queryallocationresidency) \
	X(LX_DXRECLAIMALLOCATIONS2, struct d3dkmt_reclaimallocations2) \
	X(LX_DXSETALLOCATIONPRIORITY, struct d3dkmt_setallocationpriority) \
	X(LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY, struct d3dkmt_setcontextinprocessschedulingpriority) \
	X(LX_DXSETCONTEXTSCHEDULINGPRIORITY, struct d3dkmt_setcontextschedulingpriority) \
	X(LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU, struct d3dkmt_signalsynchronizationobjectfromcpu) \
	X(LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU, struct d3dkmt_signalsynchronizationobjectfromgpu) \
	X(LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2, struct d3dkmt_signalsynchronizationobjectfromgpu2) \
	X(LX_DXSUBMITCOMMANDTOHWQUEUE, struct d3dkmt_submitcommandtohwqueue) \
	X(LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE, struct d3dkmt_submitsignalsyncobjectstohwqueue) \
	X(LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE, struct d3dkmt_submitwaitforsyncobjectstohwqueue) \
	X(LX_DXUNLOCK2, struct d3dkmt_unlock2) \
	X(LX_DXUPDATEALLOCPROPERTY, struct d3dddi_updateallocproperty) \
	X(LX_DXUPDATEGPUVIRTUALADDRESS, struct d3dkmt_updategpuvirtualaddress) \
	X(LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, struct d3dkmt_waitforsynchronizationobjectfromcpu) \
	X(LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU, struct d3dkmt_waitforsynchronizationobjectfromgpu) \
	X(LX_DXGETALLOCATIONPRIORITY, struct d3dkmt_getallocationpriority) \
	X(LX_DXQUERYCLOCKCALIBRATION, struct d3dkmt_queryclockcalibration) \
	X(LX_DXENUMADAPTERS3, struct d3dkmt_enumadapters3) \
	X(LX_DXSHAREOBJECTS, struct d3dkmt_shareobjects) \
	X(LX_DXOPENSYNCOBJECTFROMNTHANDLE2, struct d3dkmt_opensyncobjectfromnthandle2) \
	X(LX_DXQUERYRESOURCEINFOFROMNTHANDLE, struct d3dkmt_queryresourceinfofromnthandle) \
	X(LX_DXOPENRESOURCEFROMNTHANDLE, struct d3dkmt_openresourcefromnthandle) \
	X(LX_DXQUERYSTATISTICS, struct d3dkmt_querystatistics) \
	X(LX_DXSHAREOBJECTWITHHOST, struct d3dkmt_shareobjectwithhost) \
	X(LX_DXCREATESYNCFILE, struct d3dkmt_createsyncfile) \
	X(LX_DXWAITSYNCFILE, struct d3dkmt_waitsyncfile) \
	X(LX_DXOPENSYNCOBJECTFROMSYNCFILE, struct d3dkmt_opensyncobjectfromsyncfile)

DXG_ASSERT(LX_DXOPENADAPTERFROMLUID == 0xc00c4701u);
DXG_ASSERT(LX_DXCREATEDEVICE == 0xc0404702u);
DXG_ASSERT(LX_DXCREATECONTEXTVIRTUAL == 0xc0284704u);
DXG_ASSERT(LX_DXDESTROYCONTEXT == 0xc0044705u);
DXG_ASSERT(LX_DXCREATEALLOCATION == 0xc0484706u);
DXG_ASSERT(LX_DXCREATEPAGINGQUEUE == 0xc0204707u);
DXG_ASSERT(LX_DXRESERVEGPUVIRTUALADDRESS == 0xc0484708u);
DXG_ASSERT(LX_DXQUERYADAPTERINFO == 0xc0184709u);
DXG_ASSERT(LX_DXQUERYVIDEOMEMORYINFO == 0xc038470au);
DXG_ASSERT(LX_DXMAKERESIDENT == 0xc030470bu);
DXG_ASSERT(LX_DXMAPGPUVIRTUALADDRESS == 0xc068470cu);
DXG_ASSERT(LX_DXESCAPE == 0xc020470du);
DXG_ASSERT(LX_DXGETDEVICESTATE == 0xc038470eu);
DXG_ASSERT(LX_DXSUBMITCOMMAND == 0xc180470fu);
DXG_ASSERT(LX_DXCREATESYNCHRONIZATIONOBJECT == 0xc0604710u);
DXG_ASSERT(LX_DXSIGNALSYNCHRONIZATIONOBJECT == 0xc1d04711u);
DXG_ASSERT(LX_DXWAITFORSYNCHRONIZATIONOBJECT == 0xc0c84712u);
DXG_ASSERT(LX_DXDESTROYALLOCATION2 == 0xc0184713u);
DXG_ASSERT(LX_DXENUMADAPTERS2 == 0xc0104714u);
DXG_ASSERT(LX_DXCLOSEADAPTER == 0xc0044715u);
DXG_ASSERT(LX_DXCHANGEVIDEOMEMORYRESERVATION == 0xc0204716u);
DXG_ASSERT(LX_DXCREATEHWQUEUE == 0xc0304718u);
DXG_ASSERT(LX_DXDESTROYDEVICE == 0xc0044719u);
DXG_ASSERT(LX_DXDESTROYHWQUEUE == 0xc004471bu);
DXG_ASSERT(LX_DXDESTROYPAGINGQUEUE == 0xc004471cu);
DXG_ASSERT(LX_DXDESTROYSYNCHRONIZATIONOBJECT == 0xc004471du);
DXG_ASSERT(LX_DXEVICT == 0xc020471eu);
DXG_ASSERT(LX_DXFLUSHHEAPTRANSITIONS == 0xc004471fu);
DXG_ASSERT(LX_DXFREEGPUVIRTUALADDRESS == 0xc0184720u);
DXG_ASSERT(LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY == 0xc0084721u);
DXG_ASSERT(LX_DXGETCONTEXTSCHEDULINGPRIORITY == 0xc0084722u);
DXG_ASSERT(LX_DXLOCK2 == 0xc0184725u);
DXG_ASSERT(LX_DXMARKDEVICEASERROR == 0xc0084726u);
DXG_ASSERT(LX_DXOFFERALLOCATIONS == 0xc0284727u);
DXG_ASSERT(LX_DXQUERYALLOCATIONRESIDENCY == 0xc020472au);
DXG_ASSERT(LX_DXRECLAIMALLOCATIONS2 == 0xc028472cu);
DXG_ASSERT(LX_DXSETALLOCATIONPRIORITY == 0xc020472eu);
DXG_ASSERT(LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY == 0xc008472fu);
DXG_ASSERT(LX_DXSETCONTEXTSCHEDULINGPRIORITY == 0xc0084730u);
DXG_ASSERT(LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU == 0xc0204731u);
DXG_ASSERT(LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU == 0xc0504732u);
DXG_ASSERT(LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2 == 0xc0604733u);
DXG_ASSERT(LX_DXSUBMITCOMMANDTOHWQUEUE == 0xc0384734u);
DXG_ASSERT(LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE == 0xc0284735u);
DXG_ASSERT(LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE == 0xc0184736u);
DXG_ASSERT(LX_DXUNLOCK2 == 0xc0084737u);
DXG_ASSERT(LX_DXUPDATEALLOCPROPERTY == 0xc0284738u);
DXG_ASSERT(LX_DXUPDATEGPUVIRTUALADDRESS == 0xc0384739u);
DXG_ASSERT(LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU == 0xc028473au);
DXG_ASSERT(LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU == 0xc050473bu);
DXG_ASSERT(LX_DXGETALLOCATIONPRIORITY == 0xc020473cu);
DXG_ASSERT(LX_DXQUERYCLOCKCALIBRATION == 0xc028473du);
DXG_ASSERT(LX_DXENUMADAPTERS3 == 0xc018473eu);
DXG_ASSERT(LX_DXSHAREOBJECTS == 0xc028473fu);
DXG_ASSERT(LX_DXOPENSYNCOBJECTFROMNTHANDLE2 == 0xc0584740u);
DXG_ASSERT(LX_DXQUERYRESOURCEINFOFROMNTHANDLE == 0xc0284741u);
DXG_ASSERT(LX_DXOPENRESOURCEFROMNTHANDLE == 0xc0684742u);
DXG_ASSERT(LX_DXQUERYSTATISTICS == 0xc3284743u);
DXG_ASSERT(LX_DXSHAREOBJECTWITHHOST == 0xc0184744u);
DXG_ASSERT(LX_DXCREATESYNCFILE == 0xc0184745u);
DXG_ASSERT(LX_DXWAITSYNCFILE == 0xc0104746u);
DXG_ASSERT(LX_DXOPENSYNCOBJECTFROMSYNCFILE == 0xc0284747u);
DXG_ASSERT(LX_DXINVALIDATECACHE == 0xc0184724u);
DXG_ASSERT(LX_DXENUMPROCESSES == 0xc0184748u);
DXG_ASSERT(LX_ISFEATUREENABLED == 0xc00c4749u);

#ifdef __cplusplus
}
#endif

#endif
