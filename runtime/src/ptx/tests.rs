use super::*;

/// A file of `tests/data/ptx`.
fn data(name: &str) -> String {
    let path = format!("{}/tests/data/ptx/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A module of one entry `k` with these parameters, this header and this body.
fn module(params: &str, header: &str, body: &str) -> String {
    format!(".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry k({params})\n{header}\n{{\n{body}\n}}\n")
}

fn only(text: &str) -> Entry {
    let mut out = rewrite(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(out.entries.len(), 1, "{text}");
    out.entries.remove(0)
}

fn refused(params: &str, header: &str, body: &str) -> NoMerge {
    only(&module(params, header, body)).twin.expect_err(body)
}

/// The twin's text behind its prologue.
fn twin_body(params: &str, body: &str) -> String {
    let text = module(params, "", body);
    let out = rewrite(&text).unwrap();
    out.entries[0].twin.as_ref().unwrap_or_else(|reason| panic!("{reason}"));
    out.text.split_once("$dxgrt_body:\n").expect("a twin").1.to_owned()
}

#[test]
fn originals_stay_and_twins_follow() {
    let text = data("nvcc-flat-sm_90.ptx");
    let out = rewrite(&text).unwrap();
    let names: Vec<&str> = out.entries.iter().map(|entry| entry.twin.as_ref().unwrap().name.as_str()).collect();
    assert_eq!(names, ["axpy__dxgrt_merged", "gelu_bias__dxgrt_merged"]);
    // Without the twins the text is the original, byte for byte.
    let mut rest = out.text.clone();
    for name in names {
        let begin = rest.find(&format!("\n\n.visible .entry {name}(")).unwrap();
        let end = begin + rest[begin..].find("\n}\n").unwrap() + 2;
        rest.replace_range(begin..end, "");
    }
    assert_eq!(rest, text);
}

#[test]
fn parameters_lie_as_cuda_packs_them() {
    let out = rewrite(&data("nvcc-matmul-sm_90.ptx")).unwrap();
    let param = |offset, size, align| Param { offset, size, align };
    assert_eq!(out.entries[0].params, [param(0, 16, 4), param(16, 8, 8), param(24, 8, 8), param(32, 8, 8)]);
    assert_eq!(out.entries[0].args_size, 40);
    let entry = only(&module(".param .u8 a, .param .f64 b, .param .b16 c, .param .align 16 .b8 d[20]", "", "ret;"));
    assert_eq!(entry.params, [param(0, 1, 1), param(8, 8, 8), param(16, 2, 2), param(32, 20, 16)]);
    assert_eq!((entry.args_size, entry.twin.unwrap().args_size), (52, 52));
}

#[test]
fn grid_and_parameters_come_from_the_table() {
    let body = "
    .reg .pred %p<2>; .reg .b32 %r<9>; .reg .f32 %f<4>; .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [a];
    @%p1 ld.param.v4.f32 {%f0, %f1, %f2, %f3}, [s+0x10];
    ld.weak.param::entry.b32 %r0, [ s + 4 ];
    mov.u32 %r1, %ctaid.x;
    cvt.u64.u32 %rd2, %nctaid.z;
    @!%p1 bra $L;
    mov.v4.u32 {%r1, %r2, %r3, _}, %ctaid;
$L: mov.u32 %r4, %tid.x;
    ret;";
    let twin = twin_body(".param .u64 a, .param .align 16 .b8 s[32]", body);
    for line in [
        "ld.global.nc.u64 %rd1, [%dxgrt_d2+0];",
        "@%p1 ld.global.nc.v4.f32 {%f0, %f1, %f2, %f3}, [%dxgrt_d2+32];",
        "ld.global.nc.b32 %r0, [ %dxgrt_d2+20 ];",
        "mov.u32 %r1, %dxgrt_r1;",
        "cvt.u64.u32 %rd2, %dxgrt_r6;",
        "@!%p1 bra $L_dxgrt;",
        "mov.v4.u32 {%r1, %r2, %r3, _}, %dxgrt_block;",
        "$L_dxgrt: mov.u32 %r4, %tid.x;",
        ".reg .v4 .b32 \t%dxgrt_block;",
    ] {
        assert!(twin.contains(line), "{line} is not in {twin}");
    }
    assert!(!twin.contains("%dxgrt_grid"), "{twin}");
}

#[test]
fn cooperative_and_clustered_entries_are_left_alone() {
    let text = data("nvcc-coop-sm_90.ptx");
    let out = rewrite(&text).unwrap();
    assert_eq!(out.text, text);
    let reason = |index: usize| out.entries[index].twin.clone().unwrap_err();
    assert_eq!((reason(0).cause.clone(), reason(1).cause.clone()), (Cause::GridSync, Cause::Cluster));
    assert_eq!(
        reason(0).to_string(),
        "line 30: `mov.u32 %r6, %envreg2;` synchronises or identifies the grid, and a merged grid holds several launches"
    );
}

#[test]
fn triton_kernels_get_twins() {
    for name in ["triton-add-sm_90.ptx", "triton-softmax-sm_90.ptx"] {
        let out = rewrite(&data(name)).unwrap();
        assert!(out.entries[0].twin.is_ok(), "{name}: {:?}", out.entries[0].twin);
        // The launch bounds are the twin's too.
        assert_eq!(out.text.matches(".reqntid 128").count(), 2);
    }
}

#[test]
fn names_of_the_text_are_not_taken_again() {
    let text = module(".param .u64 dxgrt", "", ".reg .b32 %dxgrt_r1, %dxgrt1x; ret;");
    let twin = only(&text).twin.unwrap();
    assert_eq!(twin.name, "k__dxgrt2x_merged");
}

#[test]
fn what_cannot_be_merged_says_why() {
    let cases: &[(&str, &str, &str, Cause)] = &[
        (".param .u64 a", "", ".reg .b64 %d<2>; mov.u64 %d1, a; ret;", Cause::ParameterAddress),
        (".param .u64 a", "", ".reg .b64 %d<2>; cvta.param.u64 %d1, a; ret;", Cause::ParameterAddress),
        (".param .u64 a", "", ".reg .b64 %d<2>; ld.param.u64 %d1, [%d1+8]; ret;", Cause::ParameterAddress),
        (".param .u64 a", "", ".reg .b64 d, e; ld.param.u64 d, [e]; ret;", Cause::ParameterAddress),
        (".param .u64 a", "", ".reg .b64 %d<2>; ld.param.u64 %d1, [a+4]; ret;", Cause::ParameterRange),
        (".param .u64 a", "", ".reg .b64 %d<2>; ld.param.u64 %d1, [a-8]; ret;", Cause::ParameterRange),
        (".param .u64 a", "", ".reg .b64 %d<2>; ld.param.u64 %d1, [a+0xffffffffffffffff]; ret;", Cause::ParameterLoad),
        (".param .b8 a[9]", "", ".reg .b64 %d<2>; ld.param.u64 %d1, [a+1]; ret;", Cause::ParameterLoad),
        (".param .u64 a", "", ".reg .b64 %d<2>; ld.volatile.param.u64 %d1, [a]; ret;", Cause::ParameterLoad),
        (".param .texref a", "", "ret;", Cause::ParameterKind),
        (".param .u64 .ptr .shared .align 4 a", "", "ret;", Cause::ParameterKind),
        (".param .b8 a[]", "", "ret;", Cause::ParameterKind),
        ("", "", "{ .reg .b32 a; } .reg .b32 %ctaid; ret;", Cause::Shadowed),
        (".param .u32 a", "", "{ .param .b32 a; } ret;", Cause::Shadowed),
        ("", ".explicitcluster", "ret;", Cause::Cluster),
        ("", ".reqnctapercluster 2, 1, 1", "ret;", Cause::Cluster),
        ("", "", ".reg .b32 %r; mov.u32 %r, %clusterid.x; ret;", Cause::Cluster),
        ("", "", "barrier.cluster.arrive; ret;", Cause::Cluster),
        ("", "", ".reg .b64 %d; mov.u64 %d, %gridid; ret;", Cause::GridSync),
        ("", "", ".reg .b32 %r; mov.u32 %r, %envreg31; ret;", Cause::GridSync),
        ("", "", "griddepcontrol.wait; ret;", Cause::DependentLaunch),
        ("", "", ".reg .b64 %d; tex.1d.v4.s32.s32 {_,_,_,_}, [%d, {0}]; ret;", Cause::Texture),
        ("", "", ".reg .b16 %h; mov.u16 %h, %ctaid.x; ret;", Cause::GridRegister),
        ("", "", ".reg .b32 %r; mov.u32 %r, %ctaid.w; ret;", Cause::GridRegister),
        ("", "", ".reg .b32 %r; add.u32 %r, %ctaid.x, 1; ret;", Cause::GridRegister),
        ("", "", ".reg .b32 %r; mov.u32 %r, %newthing; ret;", Cause::SpecialRegister),
        ("", "", ".reg .b32 %r<4>; mov.u32 %r4, 1; ret;", Cause::SpecialRegister),
        ("", "", "novelty.sync 1; ret;", Cause::Instruction),
        ("", ".newbound 3", "ret;", Cause::Directive),
        ("", "", ".newdirective 3; ret;", Cause::Directive),
        ("", "", ".global .u32 counter; ret;", Cause::ModuleVariable),
        ("", "", "ret", Cause::Syntax),
        ("", "", ".reg .b64 %d; call %d, (), p; ret;", Cause::IndirectCall),
        ("", "", "call elsewhere; ret;", Cause::ExternalCall),
    ];
    for (params, header, body, cause) in cases {
        let reason = refused(params, header, body);
        assert_eq!(reason.cause, *cause, "{body}: {reason}");
        assert!(reason.to_string().starts_with(&format!("line {}: `", reason.line)) && reason.line >= 4, "{reason}");
    }
}

#[test]
fn what_is_called_must_not_read_the_grid() {
    let text = |middle: &str| {
        format!(
            ".version 8.0\n.target sm_90\n.address_size 64\n.func leaf() {{ .reg .b32 %r; {middle} ret; }}\n\
             .func (.param .b32 x) between(.param .b32 y) {{ call leaf; call between; ret; }}\n\
             .visible .entry k() {{ .param .b32 a; .param .b32 b; call.uni (a), between, (b); ret; }}"
        )
    };
    assert!(only(&text("mov.u32 %r, %tid.x;")).twin.is_ok());
    let reason = only(&text("mov.u32 %r, %nctaid.x;")).twin.unwrap_err();
    assert!(
        matches!(&reason.cause, Cause::Callee { function, because }
        if function == "between" && because.line == 4 && because.cause == Cause::GridRegister),
        "{reason}"
    );
}
