#!/usr/bin/env bash
# A stand-in for apptainer where it is not installed:  apptainer exec --nv --bind A,B IMAGE COMMAND…  for an IMAGE that is a folder.
# As apptainer does, it shows a command the image's files, and of the machine's: A, B, home, /tmp, the current folder, devices.
set -euo pipefail
if [ "$1 $2 $3" != "exec --nv --bind" ]; then
    echo "apptainer: not one of the words this stand-in knows: $*" >&2
    exit 255
fi
export BINDS=$4 IMAGE=$5
shift 5
# shellcheck disable=SC2016  # the shell in the new namespace expands it
exec unshare --mount --propagation private bash -euc '
    for folder in ${BINDS//,/ } "$HOME" /tmp "$PWD" /proc /sys /dev; do
        mkdir -p "$IMAGE$folder"
        mount --bind "$folder" "$IMAGE$folder"
    done
    exec chroot "$IMAGE" sh -c "cd \"\$0\" && exec \"\$@\"" "$PWD" "$@"
' apptainer "$@"
