# ensure-node <version> <sha256 of bin/node> <url>: prints the path of a Node that is there or was downloaded.
# Exit 3: it cannot be had from here; then it is uploaded.
umask 077
folder=$HOME/.pulumi-clore/runtime/node-$1
is_right() { [ "$(sha256sum "$1" 2>/dev/null | cut -d' ' -f1)" = "$2" ]; }
if [ -x "$folder/bin/node" ] && is_right "$folder/bin/node" "$2"; then
  echo "$folder/bin/node"
  exit 0
fi
command -v tar >/dev/null 2>&1 && command -v gzip >/dev/null 2>&1 || { echo "no tar or gzip" >&2; exit 3; }
work=$folder.new
rm -rf "$work" && mkdir -p "$work" || exit 1
trap 'rm -rf "$work"' EXIT
if command -v curl >/dev/null 2>&1; then
  curl -fsSL --connect-timeout 5 --speed-limit 1024 --speed-time 30 -o "$work/node.tar.gz" "$3" || exit 3
elif command -v wget >/dev/null 2>&1; then
  wget -q --timeout=30 --connect-timeout=5 --tries=1 -O "$work/node.tar.gz" "$3" ||
    wget -q -T 5 -O "$work/node.tar.gz" "$3" || exit 3
else
  echo "no curl or wget" >&2
  exit 3
fi
tar -xzf "$work/node.tar.gz" -C "$work" "$(basename "$3" .tar.gz)/bin/node" || exit 3
found=$work/$(basename "$3" .tar.gz)/bin/node
is_right "$found" "$2" || { echo "the download has not the right hash" >&2; exit 3; }
mkdir -p "$folder/bin" && chmod 755 "$found" && mv -f "$found" "$folder/bin/node" || exit 1
echo "$folder/bin/node"
