#!/bin/sh
# Installs Debian packages for the tests, as root: ./install.sh redis-server memcached
#
# Into the system, not unpacked beside the project: apt finds the libraries that they need, on each release. The
# packages would start their daemons; policy-rc.d is Debian's own way to say no to that. It is put in place for the
# time of the installation only, whatever its end. What is installed already is not touched.

set -eu
policy=/usr/sbin/policy-rc.d
aside=$policy.before-stockpile
mark='# of stockpile/servers/install.sh, until that ends'

# one at a time: a second caller waits, and then finds everything in place. A lock on a folder leaves no file behind.
exec 9</var/cache/apt
flock -w 300 9 || { echo 'another installation for the tests has not ended within 300 s' >&2; exit 1; }

restore() {
  if grep -qsF "$mark" "$policy"; then rm -f "$policy"; fi
  if [ -e "$aside" ] && [ ! -e "$policy" ]; then mv "$aside" "$policy"; fi
}
restore # after one that was killed
trap restore EXIT
trap 'exit 1' HUP INT TERM

# 101: "not allowed". Containers mostly have such a policy already
denied=0
if [ -x "$policy" ]; then "$policy" redis-server start >/dev/null 2>&1 || denied=$?; fi
if [ "$denied" -ne 101 ]; then
  if [ -e "$policy" ]; then mv "$policy" "$aside"; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" </dev/null 9<&-; }
install() { apt install --yes --no-install-recommends "$@"; }
# the lists may be missing or old
install "$@" || { apt update && install "$@"; }
