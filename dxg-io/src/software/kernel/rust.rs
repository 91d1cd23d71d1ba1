//! Kernels written in Rust.

use std::{fmt, sync::Arc};

use super::{Element, KernelContext, KernelError, ParameterKind, Signature};

type Body = dyn Fn(&KernelContext<'_>) -> Result<(), KernelError> + Send + Sync;

/// A kernel written in Rust, with typed and checked arguments. Clones share the body.
///
/// ```
/// use dxg_io::software::kernel::RustKernel;
/// let saxpy = RustKernel::new("saxpy").scalar::<f32>().read::<f32>().write::<f32>().body(|cx| {
///     let a: f32 = cx.scalar(0)?;
///     let x = cx.read::<f32>(1)?;
///     let start = cx.chunk_start(2)?;
///     for (y, x) in cx.write::<f32>(2)?.iter_mut().zip(&x[start..]) {
///         *y += a * x;
///     }
///     Ok(())
/// });
/// assert_eq!(saxpy.signature().arg_bytes(), 24);
/// ```
#[derive(Clone)]
pub struct RustKernel {
    name: Arc<str>,
    signature: Arc<Signature>,
    body: Arc<Body>,
}

impl RustKernel {
    /// Begins a kernel of this name; its parameters follow in the order of its arguments, then its body.
    #[allow(clippy::new_ret_no_self, reason = "a kernel without a body is a builder")]
    pub fn new(name: impl Into<Arc<str>>) -> RustKernelBuilder {
        RustKernelBuilder { name: name.into(), signature: Signature::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its parameters.
    pub fn signature(&self) -> &Arc<Signature> {
        &self.signature
    }

    #[inline]
    pub(crate) fn call(&self, context: &KernelContext<'_>) -> Result<(), KernelError> {
        (self.body)(context)
    }
}

impl fmt::Debug for RustKernel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RustKernel").field("name", &self.name).field("signature", &self.signature).finish()
    }
}

/// Declares the parameters of a [`RustKernel`].
#[derive(Clone, Debug)]
pub struct RustKernelBuilder {
    name: Arc<str>,
    signature: Signature,
}

impl RustKernelBuilder {
    /// A number by value.
    pub fn scalar<T: Element>(self) -> Self {
        self.parameter::<T>(ParameterKind::Scalar)
    }

    /// A buffer that is read: each block sees all of it.
    pub fn read<T: Element>(self) -> Self {
        self.parameter::<T>(ParameterKind::Read)
    }

    /// A buffer that is written and may be read: each block sees its own chunk, see [`KernelContext::write`].
    pub fn write<T: Element>(self) -> Self {
        self.parameter::<T>(ParameterKind::Write)
    }

    /// A buffer that is written and may be read: each block sees all of it, so the blocks run one after another.
    pub fn write_whole<T: Element>(self) -> Self {
        self.parameter::<T>(ParameterKind::WriteWhole)
    }

    /// The function that computes one block.
    pub fn body(
        self,
        body: impl Fn(&KernelContext<'_>) -> Result<(), KernelError> + Send + Sync + 'static,
    ) -> RustKernel {
        RustKernel { name: self.name, signature: Arc::new(self.signature), body: Arc::new(body) }
    }

    fn parameter<T: Element>(mut self, kind: ParameterKind) -> Self {
        self.signature.push(kind, T::TYPE);
        self
    }
}
