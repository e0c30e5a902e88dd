# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Servers that the measurements start, sourced by them: each in one process, with one certificate and, for its own mutual
# TLS, one CA.
#
#     server_write NAME FILE FOLDER PORT CERTS CA   writes the configuration; CERTS a folder of gen.sh, CA a file or empty
#     plain_write NAME FILE FOLDER PORT SOCKET      the same without TLS; a UNIX socket too, or (memcached) instead of PORT
#     server_command NAME FILE                      prints the command, one word a line

server_write() {
    case $1 in
    nginx)
        cat >"$2" <<CONFIG
daemon off;
master_process off;
pid $3/nginx.pid;
error_log $3/error.log;
events { }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    root $3/www;
    client_body_temp_path $3/b; proxy_temp_path $3/p; fastcgi_temp_path $3/f; uwsgi_temp_path $3/u; scgi_temp_path $3/s;
    server {
        listen 127.0.0.1:$4 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $5/server.pem;
        ssl_certificate_key $5/server.key;
        ${6:+ssl_verify_client on; ssl_client_certificate $6;}
    }
}
CONFIG
        ;;
    haproxy)
        cat "$5/server.pem" "$5/server.key" >"$5/both.pem"
        cat >"$2" <<CONFIG
global
    nbthread 1
defaults
    mode http
    timeout connect 60s
    timeout client 60s
    timeout server 60s
frontend main
    bind 127.0.0.1:$4 ssl crt $5/both.pem ${6:+verify required ca-file $6}
    http-request return status 200
CONFIG
        ;;
    apache)
        mkdir -p "$3/www"
        cat >"$2" <<CONFIG
ServerRoot $3
ServerName localhost
PidFile $3/apache.pid
Mutex file:$3 default
ErrorLog $3/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
StartServers 1
ServerLimit 1
ThreadsPerChild 2
MinSpareThreads 1
MaxRequestWorkers 2
Listen 127.0.0.1:$4
SSLEngine on
SSLCertificateFile $5/server.pem
SSLCertificateKeyFile $5/server.key
${6:+SSLVerifyClient require
SSLCACertificateFile $6}
DocumentRoot $3/www
CONFIG
        ;;
    redis)
        cat >"$2" <<CONFIG
port 0
bind 127.0.0.1
save ""
dir $3
tls-port $4
tls-cert-file $5/server.pem
tls-key-file $5/server.key
${6:+tls-ca-cert-file $6}
tls-auth-clients $([ -n "$6" ] && echo yes || echo no)
CONFIG
        ;;
    memcached)
        memcached_options >"$2"
        printf '%s\n' -Z -l 127.0.0.1 -p "$4" -o "ssl_chain_cert=$5/server.pem,ssl_key=$5/server.key" >>"$2"
        if [ -n "$6" ]; then printf '%s\n' -o "ssl_ca_cert=$6,ssl_verify_mode=2" >>"$2"; fi
        ;;
    *)
        echo "$1: nginx, haproxy, apache, redis or memcached" >&2
        return 64
        ;;
    esac
}

memcached_options() { printf '%s\n' -u nobody -t 1 -c 4000 -b 1024 -U 0; }

plain_write() {
    case $1 in
    nginx)
        cat >"$2" <<CONFIG
daemon off;
master_process off;
pid $2.pid;
error_log $3/error.log;
events { }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    root $3/www;
    client_body_temp_path $3/b; proxy_temp_path $3/p; fastcgi_temp_path $3/f; uwsgi_temp_path $3/u; scgi_temp_path $3/s;
    server {
        listen 127.0.0.1:$4;
        listen unix:$5;
    }
}
CONFIG
        ;;
    redis)
        cat >"$2" <<CONFIG
port $4
bind 127.0.0.1
unixsocket $5
unixsocketperm 777
save ""
dir $3
CONFIG
        ;;
    memcached)
        memcached_options >"$2"
        if [ -n "$4" ]; then
            printf '%s\n' -l 127.0.0.1 -p "$4" >>"$2"
        else
            printf '%s\n' -s "$5" -a 0777 >>"$2"
        fi
        ;;
    *) return 64 ;;
    esac
}

server_command() {
    case $1 in
    nginx) printf '%s\n' /usr/sbin/nginx -c "$2" -e /dev/null ;;
    haproxy) printf '%s\n' /usr/sbin/haproxy -db -f "$2" ;;
    apache) printf '%s\n' /usr/sbin/apache2 -X -f "$2" ;;
    redis) printf '%s\n' /usr/bin/redis-server "$2" ;;
    memcached) echo /usr/bin/memcached && cat "$2" ;;
    *) return 64 ;;
    esac
}
