//! The cause of a plugin's stop as a value: the limits by name, and every other cause.
//!
//! The engine sets no limit and reads none of these. The runtime reports them, so that the audit,
//! the counters and the health judgement need not parse text.

/// A resource of a guest that has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cap {
    /// Linear memory of all memories together, bytes.
    Memory,
    /// Elements of all tables together.
    Tables,
    /// Core instances, tables or memories of one component, by number.
    Instances,
    /// Time in the guest, ms.
    RunTime,
    /// Time of a whole call, ms.
    CallTime,
    /// Depth of the guest's stack.
    Stack,
    /// Bytes of one crossing of the boundary.
    Crossing,
    /// Handles of component resources that a guest holds.
    Handles,
    /// Requests and waits of one call.
    Requests,
    /// Log lines and bytes; the rest is dropped and the guest goes on.
    Log,
    /// Bytes of a cursor.
    Cursor,
    /// Bytes of the token of a job at a vendor.
    Token,
    /// Bytes of the memo of a schema.
    Memo,
    /// Permits for instances; all were taken for too long.
    Places,
    /// Size of the file or of one of its parts.
    File,
    /// Memory of the compiler, bytes.
    CompileMemory,
    /// Time of the compiler, s.
    CompileTime,
}

impl Cap {
    /// The name in audit lines and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Tables => "tables",
            Self::Instances => "instances",
            Self::RunTime => "run-time",
            Self::CallTime => "call-time",
            Self::Stack => "stack",
            Self::Crossing => "crossing",
            Self::Handles => "handles",
            Self::Requests => "requests",
            Self::Log => "log",
            Self::Cursor => "cursor",
            Self::Token => "token",
            Self::Memo => "memo",
            Self::Places => "places",
            Self::File => "file",
            Self::CompileMemory => "compile-memory",
            Self::CompileTime => "compile-time",
        }
    }
}

/// The cause of a plugin's stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StopCause {
    /// The plugin passed a limit.
    Limit(Cap),
    /// The plugin trapped, or gave the host something that is no value of the contract's types.
    Trap,
    /// Its answer breaks a rule of the contract.
    Contract,
    /// The plugin reported a fault of its own.
    OwnFault,
    /// The host gave its call up while it ran: no fault of the plugin.
    Cancelled,
    /// The plugin was stopped before, in the same job.
    Earlier,
    /// The host panicked underneath it.
    HostPanic,
    /// The operating system refused something that the host needed for it, such as memory.
    OperatingSystem,
}

impl StopCause {
    /// The name in audit lines and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit(cap) => cap.name(),
            Self::Trap => "trap",
            Self::Contract => "contract",
            Self::OwnFault => "own-fault",
            Self::Cancelled => "cancelled",
            Self::Earlier => "earlier",
            Self::HostPanic => "host-panic",
            Self::OperatingSystem => "operating-system",
        }
    }

    /// True if the plugin's own behaviour caused the stop. Causes of the host are others: a
    /// cancelled call, no free permit, a panic of the host, a refusal of the operating system. A
    /// call whose time passed may have waited for others, so that is the host's, too; time in the
    /// guest's own code is another limit.
    pub fn is_its_own(self) -> bool {
        match self {
            Self::Limit(cap) => !matches!(cap, Cap::Places | Cap::CallTime),
            Self::Trap | Self::Contract | Self::OwnFault => true,
            Self::Cancelled | Self::Earlier | Self::HostPanic | Self::OperatingSystem => false,
        }
    }
}
