//! The text of twins: a header, the prologue that finds the block's item, and the body with its edits.

use std::collections::HashSet;
use std::fmt::Write;

use super::Twin;
use super::analysis::{Edit, GridPart, Plan};
use super::lexer::Kind;
use super::module::{Entry, Module};
use super::table::{EQUAL_GRIDS, RECORD_HEAD, mixed_stride, padded};

/// Longer names of entries are not repeated in the names of their twins.
const NAME_MAX: usize = 900;

/// Names that occur nowhere in the text.
pub(super) struct Names {
    /// What every name that a twin adds has in it.
    stem: String,
}

impl Names {
    /// A stem that no word of the text contains: `dxgrt`, or `dxgrt1x` and so on.
    pub fn new(module: &Module<'_>) -> Names {
        let mut numbers = HashSet::new();
        for token in module.tokens.iter().filter(|token| token.kind == Kind::Word) {
            for rest in token.text(module.text).split("dxgrt").skip(1) {
                let digits = rest.len() - rest.trim_start_matches(|character: char| character.is_ascii_digit()).len();
                numbers.insert(&rest[..digits]);
            }
        }
        if numbers.is_empty() {
            return Names { stem: "dxgrt".to_owned() };
        }
        // One of so many numbers is free.
        let free = (1..=numbers.len() + 1).map(|number| number.to_string());
        let number = free.into_iter().find(|number| !numbers.contains(number.as_str())).unwrap_or_default();
        Names { stem: format!("dxgrt{number}x") }
    }

    fn twin(&self, entry: &str, index: usize) -> String {
        if entry.len() > NAME_MAX {
            return format!("_{}_merged_{index}", self.stem);
        }
        format!("{entry}__{}_merged", self.stem)
    }
}

/// The original text with twins between its parts.
pub(super) struct Output<'t> {
    source: &'t str,
    copied: usize,
    out: String,
}

impl<'t> Output<'t> {
    pub fn new(source: &'t str) -> Self {
        Output { source, copied: 0, out: String::with_capacity(source.len() * 2 + 64) }
    }

    pub fn finish(mut self) -> String {
        self.out.push_str(&self.source[self.copied..]);
        self.out
    }

    /// Writes an entry's twin behind the entry.
    pub fn add(&mut self, module: &Module<'_>, entry: &Entry<'_>, plan: &Plan, names: &Names, index: usize) -> Twin {
        let behind = module.tokens[entry.body.close].end as usize;
        self.out.push_str(&self.source[self.copied..behind]);
        self.copied = behind;
        let name = names.twin(entry.name, index);
        let mut twin = Writer { module, stem: &names.stem, out: &mut self.out };
        twin.head(entry, &name);
        twin.prologue(&name, plan);
        twin.body(entry, plan);
        Twin { name, args_size: plan.args_size }
    }
}

struct Writer<'w, 't> {
    module: &'w Module<'t>,
    stem: &'w str,
    out: &'w mut String,
}

impl Writer<'_, '_> {
    /// Strings take any text.
    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        let _infallible = self.out.write_fmt(text);
    }

    fn tokens(&mut self, first: usize, end: usize) {
        if first < end {
            let tokens = self.module.tokens;
            let range = tokens[first].start as usize..tokens[end - 1].end as usize;
            self.out.push_str(&self.module.text[range]);
        }
    }

    fn head(&mut self, entry: &Entry<'_>, name: &str) {
        self.write(format_args!(
            "\n\n.visible .entry {name}(\n\t.param .u64 {name}_table,\n\t.param .u32 {name}_index,\n\t.param .u32 {name}_shift\n)\n"
        ));
        self.tokens(entry.header.first, entry.header.end);
    }

    /// Leaves the block's position and the grid's size in registers, and the address of the item's arguments.
    fn prologue(&mut self, name: &str, plan: &Plan) {
        let equal_stride = padded(plan.args_size);
        let (stride, record, flag) = (mixed_stride(plan.args_size), RECORD_HEAD, EQUAL_GRIDS);
        let (r, d, p) = (format!("%{}_r", self.stem), format!("%{}_d", self.stem), format!("%{}_p", self.stem));
        let label = |what: &str| format!("${}_{what}", self.stem);
        let (search, found, equal, flat, body) =
            (label("search"), label("found"), label("equal"), label("flat"), label("body"));
        // Jumps are the same for a whole block, and the assembler may know: instructions that need all threads follow.
        // r1..r3: the block's position; r4..r6: the grid's size; d1: the table; d2: the item's arguments.
        self.write(format_args!(
            "
{{
	.reg .pred 	{p}<3>;
	.reg .b32 	{r}<16>;
	.reg .b64 	{d}<5>;
	ld.param.u64 	{d}1, [{name}_table];
	ld.param.u32 	{r}8, [{name}_shift];
	cvta.to.global.u64 	{d}1, {d}1;
	mov.u32 	{r}1, %ctaid.x;
	setp.lt.s32 	{p}1, {r}8, 0;
	@{p}1 bra.uni 	{equal};

	ld.param.u32 	{r}9, [{name}_index];
	shr.u32 	{r}7, {r}1, {r}8;
	cvt.u64.u32 	{d}3, {r}9;
	add.s64 	{d}3, {d}1, {d}3;
	mul.wide.u32 	{d}4, {r}7, 4;
	add.s64 	{d}3, {d}3, {d}4;
	ld.global.nc.u32 	{r}7, [{d}3];
	ld.global.nc.u32 	{r}9, [{d}3+4];
	setp.ge.u32 	{p}1, {r}7, {r}9;
	setp.eq.or.u32 	{p}1, {r}8, 0, {p}1;
	@{p}1 bra.uni 	{found};

{search}:
	add.s32 	{r}10, {r}7, {r}9;
	add.s32 	{r}10, {r}10, 1;
	shr.u32 	{r}10, {r}10, 1;
	mul.wide.u32 	{d}3, {r}10, {stride};
	add.s64 	{d}3, {d}1, {d}3;
	ld.global.nc.u32 	{r}11, [{d}3];
	setp.le.u32 	{p}2, {r}11, {r}1;
	add.s32 	{r}11, {r}10, -1;
	selp.b32 	{r}7, {r}10, {r}7, {p}2;
	selp.b32 	{r}9, {r}9, {r}11, {p}2;
	setp.lt.u32 	{p}1, {r}7, {r}9;
	@{p}1 bra.uni 	{search};

{found}:
	mul.wide.u32 	{d}3, {r}7, {stride};
	add.s64 	{d}3, {d}1, {d}3;
	ld.global.nc.v4.u32 	{{{r}7, {r}4, {r}5, {r}6}}, [{d}3];
	add.s64 	{d}2, {d}3, {record};
	sub.s32 	{r}1, {r}1, {r}7;
	mov.u32 	{r}2, 0;
	mov.u32 	{r}3, 0;
	mul.lo.s32 	{r}9, {r}5, {r}6;
	setp.eq.s32 	{p}1, {r}9, 1;
	@{p}1 bra.uni 	{body};
	div.u32 	{r}9, {r}1, {r}4;
	mul.lo.s32 	{r}10, {r}9, {r}4;
	sub.s32 	{r}1, {r}1, {r}10;
	div.u32 	{r}3, {r}9, {r}5;
	mul.lo.s32 	{r}10, {r}3, {r}5;
	sub.s32 	{r}2, {r}9, {r}10;
	bra.uni 	{body};

{equal}:
	mov.u32 	{r}2, %ctaid.y;
	mov.u32 	{r}7, %ctaid.z;
	mov.u32 	{r}3, 0;
	mov.u32 	{r}4, %nctaid.x;
	mov.u32 	{r}5, %nctaid.y;
	xor.b32 	{r}6, {r}8, {flag};
	setp.eq.s32 	{p}1, {r}6, 1;
	@{p}1 bra.uni 	{flat};
	div.u32 	{r}9, {r}7, {r}6;
	mul.lo.s32 	{r}10, {r}9, {r}6;
	sub.s32 	{r}3, {r}7, {r}10;
	mov.u32 	{r}7, {r}9;

{flat}:
	mul.wide.u32 	{d}2, {r}7, {equal_stride};
	add.s64 	{d}2, {d}1, {d}2;

{body}:
"
        ));
        for part in [GridPart::Block, GridPart::Grid] {
            let whole = |edit: &Edit| matches!(edit, Edit::Vector { special, .. } if *special == part);
            if plan.edits.iter().any(whole) {
                let vector = self.vector(part);
                self.write(format_args!("\t.reg .v4 .b32 \t{vector};\n"));
                for (axis, letter) in [(0, 'x'), (1, 'y'), (2, 'z')] {
                    let from = self.register(part, axis);
                    self.write(format_args!("\tmov.b32 \t{vector}.{letter}, {from};\n"));
                }
                self.write(format_args!("\tmov.b32 \t{vector}.w, 0;\n"));
            }
        }
    }

    fn register(&self, part: GridPart, axis: u8) -> String {
        let number = axis + if part == GridPart::Block { 1 } else { 4 };
        format!("%{}_r{number}", self.stem)
    }

    fn vector(&self, part: GridPart) -> String {
        let part = if part == GridPart::Block { "block" } else { "grid" };
        format!("%{}_{part}", self.stem)
    }

    /// The body from behind its opening brace, edited.
    fn body(&mut self, entry: &Entry<'_>, plan: &Plan) {
        let tokens = self.module.tokens;
        let text = self.module.text;
        let mut copied = tokens[entry.body.open].end;
        for edit in &plan.edits {
            let (first, end) = edit.tokens();
            self.out.push_str(&text[copied as usize..tokens[first].start as usize]);
            copied = tokens[end - 1].end;
            self.edit(*edit);
        }
        self.out.push_str(&text[copied as usize..tokens[entry.body.close].end as usize]);
    }

    fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Label { at } => {
                let (label, stem) = (self.module.word(at), self.stem);
                self.write(format_args!("{label}_{stem}"));
            }
            Edit::Register { special, axis, .. } => {
                let register = self.register(special, axis);
                self.out.push_str(&register);
            }
            Edit::Vector { special, .. } => {
                let vector = self.vector(special);
                self.out.push_str(&vector);
            }
            Edit::Load { first, end } => {
                self.out.push_str(".global.nc");
                for modifier in (first..end).map(|at| self.module.word(at)) {
                    if !matches!(modifier, ".weak" | ".param" | ".param::entry") {
                        self.out.push_str(modifier);
                    }
                }
            }
            Edit::Address { offset, .. } => {
                let stem = self.stem;
                self.write(format_args!("%{stem}_d2+{offset}"));
            }
        }
    }
}
