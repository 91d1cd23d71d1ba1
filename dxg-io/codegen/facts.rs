//! The shape of `dxg-abi.json`, as far as the generator and its test read it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Deserialize)]
pub struct Facts {
    pub ioctls: Vec<Ioctl>,
    pub structs: Vec<Struct>,
    pub enums: Vec<Enum>,
    pub constants: Vec<Value>,
    pub later_ioctls_not_in_tree: Later,
    pub libdxg_kmtqueryadapterinfotype: Vec<Value>,
}

/// One request.
#[derive(Deserialize)]
pub struct Ioctl {
    pub name: String,
    pub nr: u8,
    #[serde(rename = "struct")]
    pub argument: String,
    pub size: u32,
    pub request: String,
    /// Only for the later ioctls, whose structs are listed with them.
    #[serde(default)]
    pub fields: Vec<Field>,
}

/// Requests that newer drivers have.
#[derive(Deserialize)]
pub struct Later {
    pub ioctls: Vec<Ioctl>,
}

/// One struct or union with a name.
#[derive(Deserialize)]
pub struct Struct {
    pub name: String,
    pub size: u32,
    pub align: u32,
    pub role: String,
    pub fields: Vec<Field>,
    #[serde(default)]
    pub bits: Vec<Bit>,
}

/// One member; a dot in its name tells that it is inside an unnamed aggregate.
#[derive(Clone, Deserialize)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type", default)]
    pub c_type: String,
    pub offset: u32,
    pub size: u32,
    #[serde(default)]
    pub in_union: bool,
    pub user_ptr: Option<String>,
}

/// One bit field.
#[derive(Clone, Deserialize)]
pub struct Bit {
    pub name: String,
    pub word_offset: u32,
    pub word_size: u32,
    pub bit: u32,
    pub width: u32,
}

/// One enumeration.
#[derive(Deserialize)]
pub struct Enum {
    pub name: String,
    pub base: String,
    pub values: Vec<Value>,
}

/// A name with a number.
#[derive(Deserialize)]
pub struct Value {
    pub name: String,
    pub value: i64,
}

impl Facts {
    /// Every struct, those of the later ioctls included.
    pub fn all_structs(&self) -> Vec<Struct> {
        let listed = self.structs.iter().map(|s| Struct {
            name: s.name.clone(),
            size: s.size,
            align: s.align,
            role: s.role.clone(),
            fields: s.fields.clone(),
            bits: s.bits.clone(),
        });
        listed.chain(self.later_ioctls_not_in_tree.ioctls.iter().map(Ioctl::described_struct)).collect()
    }

    /// Where each struct is used: `(user, how)`.
    pub fn uses(&self) -> BTreeMap<String, Vec<String>> {
        let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for ioctl in self.ioctls.iter().chain(&self.later_ioctls_not_in_tree.ioctls) {
            uses.entry(ioctl.argument.clone()).or_default().push(format!("argument of `{}`", ioctl.name));
        }
        for outer in &self.structs {
            for field in &outer.fields {
                for (text, how) in [(Some(&field.c_type), "member of"), (field.user_ptr.as_ref(), "pointed to by")] {
                    let Some(inner) = text.and_then(|t| self.struct_named_in(t)) else { continue };
                    let entry = uses.entry(inner).or_default();
                    let line = format!("{how} `{}`", outer.name);
                    if !entry.contains(&line) {
                        entry.push(line);
                    }
                }
            }
        }
        uses
    }

    fn struct_named_in(&self, c_type: &str) -> Option<String> {
        let word = c_type.trim_start_matches("const ").strip_prefix("struct ").or(c_type.strip_prefix("union "))?;
        let name = word.split('[').next()?.trim();
        self.structs.iter().find(|s| s.name == name).map(|s| s.name.clone())
    }
}

impl Ioctl {
    /// The struct of a later ioctl: its facts give names, offsets and sizes, the types follow from them.
    fn described_struct(&self) -> Struct {
        let mut fields: Vec<Field> = Vec::new();
        for field in &self.fields {
            if let Some((outer, _)) = field.name.split_once('.')
                && !fields.iter().any(|f| f.name == outer)
            {
                let size =
                    self.fields.iter().filter(|f| f.name.starts_with(&format!("{outer}."))).map(|f| f.size).sum();
                fields.push(Field {
                    name: outer.into(),
                    c_type: "struct <anon>".into(),
                    size,
                    user_ptr: None,
                    ..field.clone()
                });
            }
            let c_type = match (field.name.as_str(), field.size) {
                ("device" | "allocation" | "adapter", 4) => "struct d3dkmthandle".into(),
                ("adapter_luid", 8) => "struct winluid".into(),
                (_, size) => format!("__u{}", size * 8),
            };
            fields.push(Field { c_type, ..field.clone() });
        }
        let align = if self.fields.iter().any(|f| f.size == 8 && f.name != "adapter_luid") { 8 } else { 4 };
        Struct {
            name: self.argument.clone(),
            size: self.size,
            align,
            role: "ioctl_arg".into(),
            fields,
            bits: Vec::new(),
        }
    }
}
