//! Generated bindings, one module per contract version. Nothing outside [`crate::sandbox::convert`]
//! and the two callers ([`crate::sandbox::connector`], [`crate::sandbox::transform`]) names a
//! generated type, so that a second version stays local.

pub(crate) mod v0_2;
