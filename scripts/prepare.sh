#!/bin/sh
# npm's `prepare`, first half: on a small system the Node.js that npm brought along can lack a shared library. What is
# missing is installed if that may be done (root, or sudo without a password), printing the command first; else the
# command is said. Then prepare.mjs builds dist/.
set -eu
cd -- "$(dirname -- "$0")/.."

own=node_modules/.bin/node
starts() { "$own" --version >/dev/null 2>&1; }

if [ -x "$own" ] && ! starts; then
  fault=$("$own" --version 2>&1 || true)
  case $fault in
    *libatomic.so.1*)
      if command -v apt-get >/dev/null; then fix='apt-get install --yes --no-install-recommends libatomic1'
      elif command -v dnf >/dev/null; then fix='dnf install --assumeyes libatomic'
      elif command -v zypper >/dev/null; then fix='zypper --non-interactive install libatomic1'
      elif command -v pacman >/dev/null; then fix='pacman --sync --refresh --needed --noconfirm gcc-libs'
      else fix=
      fi
      ;;
    *) fix= ;;
  esac
  may=no
  sudo=
  if [ "$(id -u)" = 0 ]; then may=yes
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then may=yes sudo='sudo '
  else sudo='sudo '
  fi
  if [ -n "$fix" ] && [ "$may" = yes ]; then
    printf 'bot-bottle: the Node.js that npm brought along needs a library; installing it:\n  %s%s\n' "$sudo" "$fix" >&2
    case $fix in apt-get*) ${sudo}apt-get update >&2 || true ;; esac
    $sudo$fix >&2 || true
  fi
  if ! starts; then
    printf 'bot-bottle: the Node.js that npm brought along does not start:\n  %s\n' "$fault" >&2
    if [ -n "$fix" ]; then printf 'Install what it needs, then try again:\n  %s%s\n' "$sudo" "$fix" >&2; fi
    exit 1
  fi
fi
exec node scripts/prepare.mjs
