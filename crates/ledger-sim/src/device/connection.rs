//! One connection: its thread reads an APDU, has it worked on, and sees its answer off.

use std::net::TcpStream;

use super::frame::Frames;
use super::shared::{Reply, Shared};

/// Serves a connection until either side closes it.
pub(super) fn serve(shared: &Shared, id: u64, stream: TcpStream) {
    let mut frames = Frames::new(stream);
    // An error ends the connection, as its end does.
    while let Ok(Some(apdu)) = frames.next() {
        let Some(work) = shared.begin(&apdu) else { continue };
        shared.wait_until_done(&work);
        // What arrived while the device was busy is dropped. An error comes again with the next
        // read; the exchange ends either way.
        let dropped = frames.drop_arrived().unwrap_or_default();
        match work.reply {
            Reply::Frame(frame) => shared.finish(work.ticket, &frame),
            Reply::HangUp => {
                shared.finish_without_answer(work.ticket);
                break;
            }
        }
        shared.count_dropped(dropped);
    }
    shared.forget(id);
}
