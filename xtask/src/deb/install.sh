#!/bin/sh
# install.sh ROOT: the package's life in a Debian without a running systemd. Each line is a promise; the first that is not
# kept ends it.
set -eu

root=$1
config=/etc/peel/signer.toml

die() {
    echo "not kept: $*" >&2
    exit 1
}

within() {
    chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

as_peel() {
    within runuser -u peel -- "$@"
}

# is FILE "MODE OWNER GROUP"
is() {
    found=$(within stat -c '%a %U %G' "$1") || die "$1 is not there"
    [ "$found" = "$2" ] || die "$1 is $found, and has to be $2"
}

promise() {
    echo "- $*"
}

# As if systemd ran, for the package's scripts: what they ask of it is written down.
mkdir -p "$root/run/systemd/system"
rm "$root/usr/bin/systemctl"
cat >"$root/usr/bin/systemctl" <<'EOF'
#!/bin/sh
echo "$*" >>/run/asked
EOF
chmod 755 "$root/usr/bin/systemctl"
asked() {
    cat "$root/run/asked" 2>/dev/null || true
}
forget_asked() {
    rm -f "$root/run/asked"
}

promise "it installs, and enables and starts nothing"
within apt-get install --quiet --quiet --yes --no-install-recommends /tmp/before.deb
asked | grep -E 'start|enable' && die "systemd was asked to start or enable something"
[ -z "$(find "$root/etc/systemd/system" -name 'peel*')" ] || die "a unit is enabled"

promise "its user and folders are there, each for whom it is"
within getent passwd peel >/dev/null || die "there is no user peel"
is /etc/peel "750 root peel"
is /etc/peel/credentials "700 root root"
is /etc/peel/signer.toml.example "644 root root"
is /var/lib/peel "700 peel peel"
is /var/lib/peel-gateway "700 peel peel"
is /usr/bin/peel "755 root root"
is /usr/lib/udev/rules.d/70-peel-ledger.rules "644 root root"

promise "the program, its pages and its completions are found"
within peel --version
within peel-ssh --help >/dev/null || die "peel-ssh does not start"
for page in peel peel-signer-run peel-gateway-run peel-watermark-init peel-ssh; do
    within man -w "$page" >/dev/null || die "no page $page"
done
within bash -c '. /usr/share/bash-completion/bash_completion && _completion_loader peel; complete -p peel' >/dev/null ||
    die "bash completes no peel"
# shellcheck disable=SC2016 # It is the other shell's to expand.
completed=$(within bash -c '. /usr/share/bash-completion/completions/peel
    COMP_WORDS=(peel signer r) COMP_CWORD=2; _peel peel r signer; echo "${COMPREPLY[*]}"')
[ "$completed" = run ] || die "\"peel signer r\" is completed to \"$completed\""

promise "the examples are configurations once they are filled in"
for role in signer gateway; do
    within cp "/etc/peel/$role.toml.example" "/tmp/$role.toml"
done
grep -q '^directory = "/var/lib/peel"' "$root/tmp/signer.toml" || die "the example names another folder of marks"

promise "systemd takes the units, and finds little to complain of"
within systemd-analyze verify --man=yes peel-signer.service peel-gateway.service peel-clock.service 2>&1 | tee "$root/tmp/verified"
grep -q peel "$root/tmp/verified" && die "systemd-analyze verify complains"
for unit in peel-signer peel-gateway peel-clock; do
    within systemd-analyze security --offline=true --threshold=15 "$unit.service" >"$root/tmp/security" 2>&1 ||
        die "$unit is exposed: $(cat "$root/tmp/security")"
    tail -n 1 "$root/tmp/security"
done

promise "a signer runs as the user peel, with a key in a file of root that the group reads"
within sh -c "peel key generate --curve secp256k1 --unencrypted --output /etc/peel/baker.key >/dev/null &&
    chown root:peel /etc/peel/baker.key && chmod 640 /etc/peel/baker.key"
cat >"$root$config" <<'EOF'
chains = ["mainnet"]
[state]
directory = "/var/lib/peel"
[http]
listen = "127.0.0.1:6732"
[monitor]
listen = "127.0.0.1:9584"
[[key]]
name = "baker"
secret_key_file = "/etc/peel/baker.key"
EOF
within chown root:peel "$config"
within chmod 640 "$config"
# As root, as an operator does; the store is the service's all the same.
within peel watermark init --config "$config" --level 100
is /var/lib/peel/watermark.db "600 peel peel"
within peel signer check --config "$config"
within peel watermark show --config "$config" | tee "$root/tmp/marks"
[ -z "$(find "$root/var/lib/peel" -user root)" ] || die "root has files among the marks"

start() {
    rm -f "$root/tmp/log"
    as_peel peel signer run --config "$config" --pidfile /tmp/peel.pid 2>"$root/tmp/log" &
    for _ in $(seq 300); do
        [ "$(curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:9584/readyz)" = 200 ] && return
        sleep 0.1
    done
    cat "$root/tmp/log" >&2
    die "the signer does not get ready"
}
stop() {
    kill -TERM "$(cat "$root/tmp/peel.pid")"
    wait "$!" || die "the signer did not end well"
}
sign() {
    # An attestation of mainnet: its level is in the last bytes but 36.
    level=$(printf '%08x' "$1")
    data=137a06a770000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f150000${level}00000000202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
    curl --silent --fail --json "\"$data\"" "http://127.0.0.1:6732/keys/$(key)?version=3"
}
key() {
    sed -n 's/.*\(tz2[0-9A-Za-z]*\).*/\1/p' "$root/tmp/marks" | head -n 1
}
start
sign 101 | grep -q signature || die "no signature"
stop
start
sign 101 | grep -q signature || die "the same again is not answered"
stop

promise "an upgrade keeps the configuration and the marks, and asks once for a restart of what runs"
forget_asked
within sh -c "cat /var/lib/peel/watermark.db $config | sha256sum" >"$root/tmp/sum"
within apt-get install --quiet --quiet --yes --no-install-recommends /tmp/now.deb
[ "$(asked | grep -c 'try-restart peel-signer.service peel-gateway.service')" = 1 ] ||
    die "systemd was asked: $(asked)"
asked | grep -E '^(start|stop|restart|enable)' && die "systemd was asked for more"
within sh -c "cat /var/lib/peel/watermark.db $config | sha256sum" | cmp - "$root/tmp/sum" || die "the upgrade changed a file"
is "$config" "640 root peel"
start
sign 102 | grep -q signature || die "no signature after the upgrade"
stop

promise "removed, it stops both daemons, and keeps the configuration and the marks"
forget_asked
within apt-get remove --quiet --quiet --yes peel
asked | grep -q '^stop peel-signer.service peel-gateway.service' || die "systemd was asked: $(asked)"
is /var/lib/peel/watermark.db "600 peel peel"
is "$config" "640 root peel"
[ ! -e "$root/usr/bin/peel" ] || die "the program is still there"

promise "purged, it keeps them all the same, and says where they are"
within apt-get purge --quiet --quiet --yes peel | tee "$root/tmp/purged"
for folder in /var/lib/peel /etc/peel; do
    grep -q "kept in $folder" "$root/tmp/purged" || die "the purge does not name $folder"
done
is /var/lib/peel/watermark.db "600 peel peel"
is /etc/peel/baker.key "640 root peel"
[ ! -e "$root/etc/peel/signer.toml.example" ] || die "the example is still there"

promise "installed again, it signs on from the same marks"
within apt-get install --quiet --quiet --yes --no-install-recommends /tmp/now.deb
start
sign 101 >/dev/null 2>&1 && die "a level below the last one was signed anew"
sign 103 | grep -q signature || die "no signature"
stop
