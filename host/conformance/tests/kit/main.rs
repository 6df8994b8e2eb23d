//! Every check of the kit on a double that breaks its rule, and on one that keeps all of them.
