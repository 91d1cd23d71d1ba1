//! The C header against the facts, by a C compiler: every size, every offset, and where every bit field lies.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn facts() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dxg-abi.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A program that compiles only if sizes and offsets are right, and ends with 0 only if bit fields are.
fn program(facts: &Value) -> (String, usize) {
    let mut out = String::from("#include <dxg.h>\n#include <stddef.h>\n#include <stdio.h>\n#include <string.h>\n");
    let mut bits = String::new();
    let mut checks = 0;
    let later = list(&facts["later_ioctls_not_in_tree"], "ioctls");
    let later = later.iter().map(|ioctl| (text(ioctl, "struct"), ioctl));
    let structs = list(facts, "structs").iter().map(|s| (text(s, "name"), s)).chain(later);
    for (name, facts) in structs {
        let size = number(facts, "size");
        let _ = writeln!(out, "_Static_assert(sizeof(struct {name}) == {size}, \"{name}\");");
        for field in list(facts, "fields") {
            // A view of the whole struct as bytes, which only pads it.
            let whole =
                field["in_union"] == true && number(field, "size") == size && text(field, "type").starts_with("char[");
            if whole {
                continue;
            }
            let (member, offset, bytes) = (text(field, "name"), number(field, "offset"), number(field, "size"));
            let _ = writeln!(
                out,
                "_Static_assert(offsetof(struct {name}, {member}) == {offset} && sizeof(((struct {name} *)0)->{member}) \
                 == {bytes}, \"{name}.{member}\");"
            );
            checks += 1;
        }
        for bit in list(facts, "bits") {
            let (member, at, bytes) = (text(bit, "name"), number(bit, "word_offset"), number(bit, "word_size"));
            let mask = (u64::MAX >> (64 - number(bit, "width"))) << number(bit, "bit");
            let _ = writeln!(
                bits,
                "\t{{ struct {name} s; uint64_t w = 0; memset(&s, 0, sizeof s); s.{member}--; memcpy(&w, (char *)&s + {at}, \
                 {bytes}); if (w != {mask:#x}u) {{ printf(\"{name}.{member}: %#llx\\n\", (unsigned long long)w); bad++; }} }}"
            );
            checks += 1;
        }
    }
    for e in list(facts, "enums") {
        for value in list(e, "values") {
            let (name, number) = (text(value, "name"), value["value"].as_i64().unwrap());
            let _ = writeln!(out, "_Static_assert((int64_t){name} == {number}, \"{name}\");");
            checks += 1;
        }
    }
    let _ = writeln!(out, "int main(void)\n{{\n\tint bad = 0;\n{bits}\treturn bad;\n}}");
    (out, checks)
}

#[test]
fn a_c_compiler_lays_the_header_out_as_the_facts_say() {
    let (program, checks) = program(&facts());
    assert!(checks > 700, "{checks} checks");
    let folder = std::env::temp_dir().join(format!("dxg-header-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (source, executable) = (folder.join("layout.c"), folder.join("layout"));
    std::fs::write(&source, program).unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let warnings = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
    let mut compiler = Command::new("cc");
    let compiled =
        compiler.args(warnings).arg("-I").arg(include).arg(&source).arg("-o").arg(&executable).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let ran = Command::new(&executable).output().unwrap();
    assert!(ran.status.success(), "bit fields lie elsewhere:\n{}", String::from_utf8_lossy(&ran.stdout));
    std::fs::remove_dir_all(&folder).unwrap();
}
