//! Generated bindings, one module per contract version. Nothing outside [`crate::convert`] and the
//! two callers ([`crate::connector`], [`crate::transform`]) names a generated type, so that a
//! second version stays local.

pub(crate) mod v1;
