# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# TLS terminators in front of a plaintext server, sourced by the measurements: mutual TLS 1.3 with one suite on a port of
# 127.0.0.1, and a UNIX socket to the server behind.
#
#     peer_write NAME FILE PORT SOCKET CERTS   writes the configuration; CERTS a folder of gen.sh
#     peer_command NAME FILE                   prints the command, one word a line
#
# NAME: stunnel, which has a thread for each connection and nothing to choose; hitch-1 and hitch-2, with so many workers;
# haproxy-1 and haproxy-2, with so many threads.

peer_write() {
    cat "$5/server.pem" "$5/server.key" >"$2.pem"
    case $1 in
    stunnel)
        cat >"$2" <<CONFIG
foreground = yes
debug = err
pid =
socket = l:TCP_NODELAY=1
[main]
accept = 127.0.0.1:$3
connect = $4
cert = $2.pem
CAfile = $5/ca.pem
verifyChain = yes
sslVersion = TLSv1.3
ciphersuites = TLS_AES_128_GCM_SHA256
CONFIG
        ;;
    hitch-*)
        cat >"$2" <<CONFIG
frontend = "[127.0.0.1]:$3"
backend = "$4"
pem-file = "$2.pem"
workers = ${1#hitch-}
backlog = 1024
user = "_hitch"
group = "_hitch"
log-level = 0
client-verify = required
client-verify-ca = "$5/ca.pem"
tls-protos = TLSv1.3
ciphersuites = "TLS_AES_128_GCM_SHA256"
CONFIG
        ;;
    haproxy-*)
        cat >"$2" <<CONFIG
global
    nbthread ${1#haproxy-}
    maxconn 4000
    tune.ssl.cachesize 20000
defaults
    mode tcp
    timeout connect 60s
    timeout client 60s
    timeout server 60s
frontend main
    bind 127.0.0.1:$3 ssl crt $2.pem verify required ca-file $5/ca.pem ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256
    default_backend server
backend server
    server one unix@$4
CONFIG
        ;;
    *)
        echo "$1: stunnel, hitch-N or haproxy-N" >&2
        return 64
        ;;
    esac
}

peer_command() {
    case $1 in
    stunnel) printf '%s\n' /usr/bin/stunnel4 "$2" ;;
    hitch-*) printf '%s\n' /usr/sbin/hitch "--config=$2" ;;
    haproxy-*) printf '%s\n' /usr/sbin/haproxy -db -f "$2" ;;
    *) return 64 ;;
    esac
}
