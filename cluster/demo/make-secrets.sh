#!/bin/sh
# Makes the demo's Secret: two passwords and what the hub and the proxy know each other by. Shows the passwords.
# Called again it changes nothing; to have new ones, delete the file that it names.
set -eu
cd "$(dirname "$0")"
file=secret-written-by-make-secrets.sh.env

random() { # BYTES
  value=$(head -c "$1" /dev/urandom | od -A n -v -t x1 | tr -d ' \n')
  if [ ${#value} -ne $((2 * $1)) ]; then
    echo "make-secrets.sh: cannot read $1 random bytes with head, od and tr from /dev/urandom." >&2
    exit 1
  fi
  echo "$value"
}

if [ ! -e "$file" ]; then
  admin=$(random 20)
  user=$(random 8)
  cookie=$(random 32)
  token=$(random 32)
  # Whole or not at all, and for nobody else's eyes.
  umask 077
  printf '%s=%s\n' admin-password "$admin" user-password "$user" cookie-secret "$cookie" proxy-token "$token" >"$file.new"
  mv "$file.new" "$file"
fi

echo "The passwords are in $PWD/$file"
sed -n 's/^admin-password=/  admin, with           /p; s/^user-password=/  everybody else, with  /p' "$file"
