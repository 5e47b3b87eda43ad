//! What an APDU asks for, by name.

/// The app's instructions, with "sign" split into its two exchanges, and the system's "which app
/// runs?".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// `00`: the app's version.
    Version,
    /// `01`: authorise a key to bake; prompts.
    Authorize,
    /// `02`: a public key.
    PublicKey,
    /// `03`: a public key, shown; prompts.
    PromptPublicKey,
    /// `04` or `0f` with P1 = `00`: select the key to sign with.
    Select,
    /// `04` with a message.
    Sign,
    /// `06`: set both marks to a level; prompts.
    Reset,
    /// `07`: the authorised path.
    AuthorizedPath,
    /// `08`: the main chain's mark.
    MainMark,
    /// `09`: the commit that the app was built from.
    Git,
    /// `0a`: authorise a key and set chain and marks; prompts.
    Setup,
    /// `0b`: both marks and the main chain.
    AllMarks,
    /// `0c`: authorise no key.
    Deauthorize,
    /// `0d`: the authorised curve and path.
    AuthorizedPathAndCurve,
    /// `0e`: an HMAC with a secret of the key.
    Hmac,
    /// `0f` with a message: its hash, then its signature.
    SignWithHash,
    /// `b0 01 00 00`: name and version of the running app, answered by the system.
    AppInfo,
    /// In a [`Fault`](crate::Fault): whatever comes next.
    Any,
}

impl Instruction {
    /// What an APDU asks for, if anything that exists.
    pub(crate) fn of(apdu: &[u8]) -> Option<Self> {
        match *apdu {
            [0xb0, 0x01, 0, 0, ..] => Some(Self::AppInfo),
            [0x80, 0x04 | 0x0f, 0x00 | 0x80, ..] => Some(Self::Select),
            [0x80, instruction, ..] => Self::from_byte(instruction),
            _ => None,
        }
    }

    /// The instruction that a byte names; "sign" stands for both of its exchanges.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x00 => Self::Version,
            0x01 => Self::Authorize,
            0x02 => Self::PublicKey,
            0x03 => Self::PromptPublicKey,
            0x04 => Self::Sign,
            0x06 => Self::Reset,
            0x07 => Self::AuthorizedPath,
            0x08 => Self::MainMark,
            0x09 => Self::Git,
            0x0a => Self::Setup,
            0x0b => Self::AllMarks,
            0x0c => Self::Deauthorize,
            0x0d => Self::AuthorizedPathAndCurve,
            0x0e => Self::Hmac,
            0x0f => Self::SignWithHash,
            _ => return None,
        })
    }

    /// Whether a fault that names `self` meets an exchange that asks for `asked`.
    pub(crate) fn matches(self, asked: Option<Self>) -> bool {
        self == Self::Any || asked == Some(self)
    }
}
