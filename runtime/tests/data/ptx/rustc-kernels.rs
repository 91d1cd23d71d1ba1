// Kernels for rustc's nvptx64 target, without a core library of their own: see README.md.
#![feature(no_core, lang_items, abi_ptx, intrinsics, rustc_attrs, link_llvm_intrinsics, arbitrary_self_types, auto_traits)]
#![no_core]
#![crate_type = "rlib"]
#![allow(internal_features)]
#[lang = "pointee_sized"] pub trait PointeeSized {}
#[lang = "meta_sized"] pub trait MetaSized: PointeeSized {}
#[lang = "sized"] pub trait Sized: MetaSized {}
#[lang = "copy"] pub trait Copy {}
#[lang = "legacy_receiver"] pub trait Receiver {}
#[lang = "freeze"] unsafe auto trait Freeze {}
impl Copy for u32 {} impl Copy for i32 {} impl Copy for f32 {} impl Copy for u64 {} impl Copy for usize {} impl Copy for isize {} impl Copy for bool {}
impl<T: PointeeSized> Copy for *const T {} impl<T: PointeeSized> Copy for *mut T {}
#[lang = "add"] pub trait Add<R = Self> { type Output; fn add(self, r: R) -> Self::Output; }
impl Add for f32 { type Output = f32; fn add(self, r: f32) -> f32 { self + r } }
impl Add for u32 { type Output = u32; fn add(self, r: u32) -> u32 { self + r } }
#[lang = "mul"] pub trait Mul<R = Self> { type Output; fn mul(self, r: R) -> Self::Output; }
impl Mul for f32 { type Output = f32; fn mul(self, r: f32) -> f32 { self * r } }
impl Mul for u32 { type Output = u32; fn mul(self, r: u32) -> u32 { self * r } }
#[lang = "eq"] pub trait PartialEq<R: ?Sized = Self> { fn eq(&self, o: &R) -> bool; fn ne(&self, o: &R) -> bool; }
#[lang = "partial_ord"] pub trait PartialOrd<R: ?Sized = Self> { fn lt(&self, o: &R) -> bool; fn le(&self, o:&R)->bool; fn gt(&self, o:&R)->bool; fn ge(&self, o:&R)->bool; }
impl PartialOrd for u32 { fn lt(&self, o: &u32) -> bool { *self < *o } fn le(&self, o: &u32) -> bool { *self <= *o } fn gt(&self, o: &u32) -> bool { *self > *o } fn ge(&self, o: &u32) -> bool { *self >= *o } }
#[rustc_intrinsic] pub unsafe fn offset<P, D>(p: P, d: D) -> P;
unsafe extern "C" {
  #[link_name = "llvm.nvvm.read.ptx.sreg.ctaid.x"] fn block() -> u32;
  #[link_name = "llvm.nvvm.read.ptx.sreg.nctaid.x"] fn blocks() -> u32;
  #[link_name = "llvm.nvvm.read.ptx.sreg.ntid.x"] fn threads() -> u32;
  #[link_name = "llvm.nvvm.read.ptx.sreg.tid.x"] fn thread() -> u32;
}
#[repr(C)] pub struct Line { slope: f32, offset: f32, first: u32 }
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn axpy(a: f32, x: *const f32, y: *mut f32, n: u32) {
  let mut i = block() * threads() + thread();
  while i < n {
    let at = offset(y, i as usize);
    *at = *at + a * *offset(x, i as usize);
    i = i + blocks() * threads();
  }
}
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn line(l: Line, y: *mut f32, n: u32) {
  let i = block() * threads() + thread() + l.first;
  if i < n { *offset(y, i as usize) = l.slope * (i as f32) + l.offset; }
}
