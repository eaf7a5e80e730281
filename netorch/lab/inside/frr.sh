# Runs one daemon of FRR in the foreground, started as FRR's own watchfrr.sh starts it; its part of frr.conf follows once it
# answers. With bash, for frrcommon.sh.

log_success_msg() { :; }
log_warning_msg() { echo "$*" >&2; }
log_failure_msg() { echo "$*" >&2; }
. /usr/lib/frr/frrcommon.sh

daemon=$1
eval options="\$${daemon}_options"
rm -f "$V_PATH/$daemon.vty"

# The others try zebra only now and then, and mgmtd keeps what they are configured with.
case $daemon in
    zebra) first= ;;
    mgmtd) first=zebra ;;
    *) first="zebra $2" ;;
esac
for other in $first; do
    until "$VTYSH" -d "$other" -c 'show version' >/dev/null 2>&1; do sleep 0.1; done
done

# Twice in the background, so that it is no child of the daemon's.
(
    {
        until "$VTYSH" -d "$daemon" -c 'show version' >/dev/null 2>&1; do sleep 0.1; done
        vtysh_b "$daemon"
    } &
)
# shellcheck disable=SC2086  # options, one word each
exec "$D_PATH/$daemon" $frr_global_options $options
