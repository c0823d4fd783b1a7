#!/usr/bin/env bash
# build.sh FOLDER: Debian's kernel and an initramfs for a guest that is NVMe/TCP target and host, over this machine's own files.
# The kernel's package is unpacked, never installed. Needs what packages.txt names.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$out"

# The generic kernel, not the one for clouds, which has no 9p.
kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/{print $2; exit}')
apt-get download -qq "$kernel-unsigned" 2>/dev/null || apt-get download -qq "$kernel"
dpkg-deb -x linux-image-*.deb kernel
rm linux-image-*.deb
release=$(ls kernel/lib/modules)
cp "kernel/boot/vmlinuz-$release" vmlinuz
depmod -b "$out/kernel" "$release"

root=$out/initramfs
mkdir -p "$root"/{bin,proc,sys,dev,mnt/ro,mnt/rw,newroot,"lib/modules/$release"}
cp /bin/busybox "$root/bin/"
grep -v '^#' "$here/modules.txt" | while read -r module; do
  modprobe -d "$out/kernel" -S "$release" --show-depends "$module" | awk '/^insmod/{print $2}'
done | sort -u | while read -r file; do
  install -D "$file" "$root/${file#"$out"/kernel/}"
done
cp kernel/lib/modules/"$release"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$release/"
depmod -b "$root" "$release"
install -m 644 "$here/modules.txt" "$root/modules.txt"
install -m 755 "$here/init" "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >initrd.gz
rm -rf kernel initramfs
