#!/usr/bin/env bash
# Makes sure that the Debian packages which `make run` or `make test` needs are there:
# installs them when run as root, otherwise prints the exact line to run and stops.
set -euo pipefail

case "${1:-run}" in
  run)  wanted="python3-venv libgl1 libglib2.0-0" ;;
  test) wanted="python3-venv libgl1 libglib2.0-0 xvfb xdotool xclip ffmpeg chromium" ;;
  *)    echo "usage: $0 run|test" >&2; exit 2 ;;
esac

command -v dpkg-query >/dev/null || exit 0        # not Debian: nothing that this script could know

missing=""
for package in $wanted; do
  if [ "$package" = python3-venv ] && python3 -c "import venv, ensurepip" 2>/dev/null; then continue; fi
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  apt-get update -qq
  # shellcheck disable=SC2086  # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
else
  echo "Some Debian packages are missing. Run this line, then the same make command again:" >&2
  echo "    sudo apt-get install -y$missing" >&2
  exit 2
fi
