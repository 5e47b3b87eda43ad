#!/bin/sh
# What the tests add to the machine: Ledgers as USB gadgets on a virtual host controller, and a root shell on a port.
# It comes as a credential of systemd, and changes nothing on the disk.
#
#   peel ── /dev/hidrawN ── usbhid ── dummy_hcd ── f_hid ── /dev/hidgN ── port ledger.N ── the simulated Ledger, outside
set -u
ports=/dev/virtio-ports
gadgets=/sys/kernel/config/usb_gadget
run=/run/peel-test
# Ledger's own: usage page 0xffa0, reports of 64 bytes both ways.
descriptor='\006\240\377\011\001\241\001\011\003\025\000\046\377\000\165\010\225\100\201\010\011\004\025\000\046\377\000\165\010\225\100\221\010\300'

# The controller has two ports, each as a bus of its own.
load() {
    modprobe -a libcomposite usb_f_hid hid-generic usbhid
    modprobe dummy_hcd num=2
    mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config || mountpoint -q /sys/kernel/config
    mkdir -p "$run"
}

# make NUMBER: a Nano S Plus that is not plugged in.
make() {
    mkdir "$gadgets/ledger$1" && cd "$gadgets/ledger$1" || return
    echo 0x2c97 >idVendor
    product "$1" 0x5011
    echo 0x0201 >bcdDevice
    mkdir strings/0x409 functions/hid.0 configs/c.1 configs/c.1/strings/0x409
    echo Ledger >strings/0x409/manufacturer
    echo "Nano S Plus" >strings/0x409/product
    echo "000$1" >strings/0x409/serialnumber
    echo app >configs/c.1/strings/0x409/configuration
    echo 64 >functions/hid.0/report_length
    # shellcheck disable=SC2059 # the escapes are the format, and there is no % in them
    printf "$descriptor" >functions/hid.0/report_desc
    ln -s functions/hid.0 configs/c.1/
}

# product NUMBER ID: which application runs, as USB shows it.
product() {
    echo "$2" >"$gadgets/ledger$1/idProduct"
}

# carry OPERAND...: reports are carried one by one, so that none is cut. When the host resets the device, or after a plug was
# taken out, f_hid ends what it had queued with ESHUTDOWN: that report is lost, as on a real device, and the next is carried.
carry() {
    # shellcheck disable=SC2016 # for the inner shell
    exec setsid sh -c 'until dd bs=64 status=none "$@"; do :; done' sh "$@" 2>/dev/null
}

# plug NUMBER: a port can be opened once.
plug() {
    echo "dummy_udc.$1" >"$gadgets/ledger$1/UDC" || return
    number=$(cut -d: -f2 "$gadgets/ledger$1/functions/hid.0/dev")
    udevadm wait --timeout=600 "/dev/hidg$number" "$ports/peel.ledger.$1" || return
    exec 3<>"$ports/peel.ledger.$1"
    carry "if=/dev/hidg$number" </dev/null >&3 3>&- &
    echo $! >"$run/ledger$1.from"
    carry "of=/dev/hidg$number" iflag=fullblock <&3 3>&- &
    echo $! >"$run/ledger$1.to"
    exec 3>&-
}

# unplug NUMBER: each carrier leads a group of processes.
unplug() {
    kill -s KILL -- "-$(cat "$run/ledger$1.from")" "-$(cat "$run/ledger$1.to")"
    echo >"$gadgets/ledger$1/UDC"
}

# reset_hub NUMBER: everything behind it is gone, and comes back.
reset_hub() {
    for hub in "/sys/bus/platform/devices/dummy_hcd.$1"/usb*/*:1.0; do
        name=${hub##*/}
        echo "$name" >/sys/bus/usb/drivers/hub/unbind
        echo "$name" >/sys/bus/usb/drivers/hub/bind
    done
}

# fill FOLDER: takes every block of its file system, also those that others give back meanwhile.
fill() {
    : >"$run/fill"
    fallocate --length "$(($(stat --file-system --format='%f * %S' "$1")))" "$1/filled"
    while test -e "$run/fill"; do
        dd if=/dev/zero bs=64k count=16 status=none 2>/dev/null >>"$1/filled" || sleep 0.1
    done &
    echo $! >"$run/filling"
}

# make_room FOLDER
make_room() {
    rm -f "$run/fill"
    kill "$(cat "$run/filling")"
    rm -f "$1/filled"
}

# Each line is a command; its exit code follows what it wrote.
serve() {
    udevadm wait --timeout=600 "$ports/peel.shell"
    exec <>"$ports/peel.shell" >&0 2>&1
    while IFS= read -r line; do
        (eval "$line") </dev/null
        printf '\npeel-test: %s\n' $?
    done
}

load
make 0
make 1
plug 0
serve
