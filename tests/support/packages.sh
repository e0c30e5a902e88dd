# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Debian packages by purpose, and their installation; sourced by examples/quickstart.sh and tests/run.sh.
#
#     tg_install_missing build|quickstart|tests ...
#     tg_unpack FOLDER
#     tg_node_modules FOLDER

# tg_packages PURPOSE: the names.
tg_packages() {
    case $1 in
    build) echo gcc libc6-dev make cmake pkg-config libssl-dev libinih-dev libcjson-dev ;;
    quickstart) tg_packages build && echo nginx openssl curl ;;
    tests)
        tg_packages quickstart &&
            echo libcmocka-dev clang clang-format clang-tidy libclang-rt-dev cppcheck shellcheck valgrind strace python3 binutils \
                libcap2-bin groff-base gnutls-bin faketime python3-cryptography libpython3.11-testsuite \
                apache2 haproxy mosquitto mosquitto-clients redis-server redis-tools lighttpd lighttpd-mod-openssl postgresql \
                stunnel4 hitch proftpd-core proftpd-mod-crypto dovecot-core dovecot-imapd postfix gunicorn uvicorn memcached \
                unbound bind9 bind9-dnsutils knot-dnsutils freeradius freeradius-utils coturn mariadb-server mariadb-client \
                socat ncat openbsd-inetd dnsmasq-base tinyproxy-bin openssh-server netcat-openbsd netcat-traditional \
                ldap-utils rsync systemd default-jre-headless dictd \
                libnginx-mod-stream libnginx-mod-mail libjemalloc2 libtcmalloc-minimal4 slapd webfs weborf busybox-static age \
                acl iputils-ping libc-ares2 libnghttp2-14 libuv1 libicu72 libwrap0 libnsl2 libtirpc3 \
                node-acorn node-cjs-module-lexer node-undici kamailio \
                python3-grpcio nghttp2-server chromium libnss3-tools &&
            # another vendor's Node.js brings its own, and Debian's does not go beside that
            { command -v npm >/dev/null || echo npm; }
        ;;
    *)
        echo "tg_packages: '$1': build, quickstart or tests" >&2
        return 64
        ;;
    esac
}

# tg_install_missing PURPOSE: installs with apt-get what dpkg does not have; silent where nothing is missing. Services of
# the packages are not started: a policy-rc.d forbids it meanwhile, unless the machine has one.
tg_install_missing() {
    tg_missing=
    for tg_package in $(tg_packages "$1"); do
        case $(dpkg-query -W -f '${db:Status-Status}' "$tg_package" 2>/dev/null) in
        installed) ;;
        *) tg_missing="$tg_missing $tg_package" ;;
        esac
    done
    if [ -z "$tg_missing" ]; then return 0; fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing packages, and only root can install them: apt-get install$tg_missing" >&2
        return 77
    fi
    echo "installing:$tg_missing"
    tg_policy=/usr/sbin/policy-rc.d
    if [ -e "$tg_policy" ]; then
        tg_policy=
    else
        printf '#!/bin/sh\nexit 101\n' >"$tg_policy" && chmod +x "$tg_policy"
    fi
    tg_status=0
    tg_log=$(mktemp)
    # shellcheck disable=SC2086 # words on purpose
    (
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q update && apt-get -q -y --no-install-recommends install $tg_missing
    ) >"$tg_log" 2>&1 </dev/null || tg_status=$?
    if [ "$tg_status" -ne 0 ]; then tail -n 20 "$tg_log" >&2; fi
    rm -f "$tg_log" ${tg_policy:+"$tg_policy"}
    return "$tg_status"
}

# tg_unpacked: packages that cannot be installed beside others, or beside another vendor's: name=versions.
tg_unpacked() { echo vsftpd nodejs=18.* libnode108 xinetd busybox; }

# tg_unpack FOLDER: their files below FOLDER/NAME, from Debian's own packages, once.
tg_unpack() {
    for tg_package in $(tg_unpacked); do
        tg_name=${tg_package%%=*}
        if [ -e "$1/$tg_name/usr" ]; then continue; fi
        echo "unpacking: $tg_package"
        tg_status=0
        tg_folder=$(mktemp -d)
        (
            cd "$tg_folder" || exit 1
            chmod 755 . # apt-get gives up its rights while it downloads
            apt-get -q update && apt-get -q download "$tg_package" && dpkg -x ./*.deb unpacked
        ) >"$tg_folder.log" 2>&1 </dev/null || tg_status=$?
        if [ "$tg_status" -eq 0 ]; then
            mkdir -p "$1" && mv "$tg_folder/unpacked" "$1/$tg_name" || tg_status=$?
        else
            tail -n 20 "$tg_folder.log" >&2
        fi
        rm -rf "$tg_folder" "$tg_folder.log"
        if [ "$tg_status" -ne 0 ]; then return "$tg_status"; fi
    done
}

# tg_node_modules FOLDER: what Debian has no packages of, below FOLDER/NAME, by npm from its registry, once. No script of
# theirs is run.
tg_node_modules() {
    tg_folder=$1/grpc-js
    if [ -e "$tg_folder/node_modules/@grpc/grpc-js/package.json" ]; then return 0; fi
    echo "npm: @grpc/grpc-js"
    tg_status=0
    mkdir -p "$tg_folder.new" &&
        timeout 300 npm install --prefix "$tg_folder.new" --cache "$tg_folder.new/cache" --ignore-scripts --no-audit --no-fund \
            --no-update-notifier --omit=dev '@grpc/grpc-js@^1.14.0' >"$tg_folder.log" 2>&1 </dev/null || tg_status=$?
    if [ "$tg_status" -eq 0 ]; then
        rm -rf "$tg_folder" "$tg_folder.new/cache" && mv "$tg_folder.new" "$tg_folder" || tg_status=$?
    else
        tail -n 20 "$tg_folder.log" >&2
    fi
    rm -rf "$tg_folder.new" "$tg_folder.log"
    return "$tg_status"
}
