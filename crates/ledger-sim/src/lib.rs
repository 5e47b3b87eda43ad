//! The Tezos Baking app of a Ledger, in software.
