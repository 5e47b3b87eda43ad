//! Why a UPS is not heard. No text has the server's address: the gateway may show it.

use std::io;

use thiserror::Error;

/// Why a UPS is not heard. *Failed*.
#[derive(Debug, Error)]
pub(crate) enum NutError {
    #[error(
        "the NUT server cannot be reached: {0}; is nut-server up there, and does it LISTEN where source says"
    )]
    Unreachable(io::Error),
    #[error(
        "the NUT server has not taken the connection within 1 s; is its computer up, and no firewall between"
    )]
    NoConnection,
    #[error("the NUT server has not answered within 1 s; restart nut-server there")]
    NoAnswer,
    #[error("the NUT server has closed the connection: {0}; its log says why")]
    Closed(io::Error),
    #[error("what answers is no NUT server; correct HOST:PORT in source under [power]")]
    Nonsense,
    #[error(
        "the NUT server knows no UPS {0:?}; \"upsc -l\" lists those it has: correct source under [power]"
    )]
    UnknownUps(String),
    #[error(
        "the NUT server hears nothing of the UPS (DATA-STALE); look at its cable, then restart nut-driver"
    )]
    Stale,
    #[error(
        "the NUT server has no driver for the UPS (DRIVER-NOT-CONNECTED); start nut-driver, its log says more"
    )]
    NoDriver,
    #[error(
        "the NUT server does not let this computer ask (ACCESS-DENIED); allow upsd in its /etc/hosts.allow"
    )]
    AccessDenied,
    #[error("the NUT server refuses to answer ({0}); its log says why")]
    Refused(String),
    #[error("the NUT server has just begun to listen to the UPS (WAIT); it knows more in a moment")]
    Waiting,
    #[error("the UPS says neither OL nor OB, but {0:?}; \"upsc\" shows what its driver knows")]
    NoStatus(String),
    #[error("the UPS has a charge that is no percentage; \"upsc\" shows what its driver knows")]
    NoPercentage,
}
