//! The payment gateways: one folder a protocol, behind the gateway ports.

pub mod sign;
