# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Functions that gen.sh and renew.sh share; sourced, not run.

# new_key TYPE FILE: rsa:BITS, ec:CURVE or ed25519. One -algorithm name with parameters beside it, because OpenSSL 3.0
# does not take "rsa:2048" as the name of an algorithm.
new_key() {
    case $1 in
    rsa:*) set -- "$2" -algorithm RSA -pkeyopt "rsa_keygen_bits:${1#rsa:}" ;;
    ec:*) set -- "$2" -algorithm EC -pkeyopt "ec_paramgen_curve:${1#ec:}" ;;
    ed25519) set -- "$2" -algorithm ED25519 ;;
    *)
        echo "key type '$1': use rsa:BITS, ec:CURVE (say ec:P-256) or ed25519" >&2
        return 64
        ;;
    esac
    new_key_file=$1
    shift
    new_key_messages=$(umask 077 && openssl genpkey "$@" -out "$new_key_file" 2>&1) || {
        echo "$new_key_messages" >&2
        return 1
    }
}

# key_type_of FILE: the same words as new_key takes.
key_type_of() {
    openssl pkey -in "$1" -noout -text | awk '
        /^ED25519/ { type = "ed25519" }
        /Private-Key: \(/ { bits = $0; sub(/.*\(/, "", bits); sub(/ bit.*/, "", bits) }
        /^modulus:/ { type = "rsa:" bits }
        /^ASN1 OID:/ { type = "ec:" $3 }
        END { print type }'
}

# sign ROLE SUBJECT SAN DAYS KEY CERT: a certificate for KEY, signed by ca.key in the current folder. ROLE: server, client.
sign() {
    sign_usage='critical, digitalSignature'
    case $(key_type_of "$5") in rsa:*) sign_usage="$sign_usage, keyEncipherment" ;; esac
    sign_config=$6.cnf
    {
        printf '[req]\nprompt = no\nutf8 = yes\nstring_mask = utf8only\ndistinguished_name = subject\n[subject]\n'
        printf '%s\n[extensions]\n' "$2"
        printf 'basicConstraints = critical, CA:false\nkeyUsage = %s\n' "$sign_usage"
        printf 'extendedKeyUsage = %sAuth\nsubjectAltName = %s\n' "$1" "$3"
        printf 'subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n'
    } >"$sign_config"
    openssl req -new -config "$sign_config" -key "$5" -out "$6.csr"
    openssl x509 -req -in "$6.csr" -CA ca.pem -CAkey ca.key -CAserial ca.srl -CAcreateserial -days "$4" -sha256 \
        -extfile "$sign_config" -extensions extensions -out "$6" 2>"$6.log" ||
        {
            cat "$6.log" >&2
            return 1
        }
    rm -f "$sign_config" "$6.csr" "$6.log"
}
