# install <version> <archive url> <checksums url>: prints the path of an Ollama of that version that is there or was downloaded.
# Exit 3: it cannot be had from here, with the reason on stderr; then it is uploaded.
umask 077
folder=$HOME/.pulumi-clore/runtime/ollama-$1
cannot() { echo "$1" >&2; exit 3; }
# A port where nothing listens, so that it is the program's own version and not a running server's.
is_version() { OLLAMA_HOST=127.0.0.1:1 "$1" --version 2>/dev/null | grep -qE "version is $2\$"; }
own=$(command -v ollama 2>/dev/null)
for there in "$folder/bin/ollama" "$own"; do
  [ -n "$there" ] && [ -x "$there" ] && is_version "$there" "$1" && echo "$there" && exit 0
done
command -v tar >/dev/null 2>&1 || cannot "no tar"
get() { # url, file, seconds
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --connect-timeout 5 --speed-limit 1024 --speed-time 30 -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 30 -O "$2" "$1"
  else
    cannot "no curl or wget"
  fi
}
work=$folder.new
rm -rf "$work" && mkdir -p "$work/home" || exit 1
trap 'rm -rf "$work"' EXIT
name=${2##*/}
# The small file first: it tells at once whether the internet is there.
get "$3" "$work/sums" || cannot "$3 cannot be downloaded"
wanted=$(sed -n "s|^\([0-9a-f]\{64\}\)  *[*]\{0,1\}\(\./\)\{0,1\}$name\$|\1|p" "$work/sums" | head -n 1)
[ -n "$wanted" ] || cannot "$3 has no checksum for $name"
case $name in
  *.zst)
    if ! command -v zstd >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends zstd; } >/dev/null 2>&1
    fi
    command -v zstd >/dev/null 2>&1 || cannot "no zstd to unpack $name" ;;
esac
get "$2" "$work/$name" || cannot "$2 cannot be downloaded"
[ "$(sha256sum "$work/$name" | cut -d' ' -f1)" = "$wanted" ] || cannot "$name has not the checksum that $3 lists"
case $name in
  *.zst) zstd -dcq "$work/$name" | tar -xf - -C "$work/home" || exit 1 ;;
  *) tar -xzf "$work/$name" -C "$work/home" || exit 1 ;;
esac
is_version "$work/home/bin/ollama" "$1" || cannot "what was unpacked is not Ollama $1"
rm -rf "$folder" && mv "$work/home" "$folder" || exit 1
echo "$folder/bin/ollama"
