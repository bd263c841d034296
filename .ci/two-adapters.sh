#!/bin/sh
# Makes two software adapters out of one Mesa: its llvmpipe driver copied under two names (the loader and dlopen know a
# driver by its file), each with a manifest. Prints the value for VK_DRIVER_FILES (older loaders: VK_ICD_FILENAMES).
# With LP_NUM_THREADS=1 each has a thread of its own, so that work on both at once takes the time of one.
# Ends with 3 where llvmpipe is not installed.
set -eu
cd "$(dirname "$0")/.."
. .ci/common.sh

driver=
for manifest in /usr/share/vulkan/icd.d/lvp_icd*.json /etc/vulkan/icd.d/lvp_icd*.json; do
    [ -r "$manifest" ] || continue
    driver=$(sed -n 's/.*"library_path"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$manifest")
    version=$(sed -n 's/.*"api_version"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$manifest")
    break
done
if [ -z "$driver" ]; then
    echo 'No llvmpipe here (lvp_icd*.json): mesa-vulkan-drivers has it.' >&2
    exit 3
fi
case $driver in
    /*) ;;
    */*) driver=$(dirname "$manifest")/$driver ;;
    *) driver=$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p | sed -n "s|^[[:space:]]*$driver (.*=> ||p" | head -n 1) ;;
esac
[ -r "$driver" ] || die "$manifest names a driver that is not there: install mesa-vulkan-drivers again."

folder=$(pwd)/target/adapters
mkdir -p "$folder"
files=
for name in first second; do
    copy=$folder/libvulkan_lvp_$name.so
    # Never written in place: a process may have it mapped.
    cmp -s "$driver" "$copy" || { cp "$driver" "$copy.part" && mv "$copy.part" "$copy"; }
    cat >"$folder/$name.json" <<JSON
{ "file_format_version": "1.0.0", "ICD": { "library_path": "$copy", "api_version": "${version:-1.1.0}" } }
JSON
    files=${files:+$files:}$folder/$name.json
done
printf '%s\n' "$files"
