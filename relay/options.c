/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

#define SO_ORIGINAL_DST 80 /* linux/netfilter_ipv4.h, which does not go with netinet/in.h */

struct option {
	int level;
	int option;
	bool may_set;
};

static const struct option options[] = {
    {SOL_SOCKET, SO_ACCEPTCONN, false},
    {SOL_SOCKET, SO_BINDTODEVICE, true},
    {SOL_SOCKET, SO_BROADCAST, true},
    {SOL_SOCKET, SO_BUSY_POLL, true},
    {SOL_SOCKET, SO_COOKIE, false},
    {SOL_SOCKET, SO_DEBUG, true},
    {SOL_SOCKET, SO_DOMAIN, false},
    {SOL_SOCKET, SO_DONTROUTE, true},
    {SOL_SOCKET, SO_INCOMING_CPU, true},
    {SOL_SOCKET, SO_INCOMING_NAPI_ID, false},
    {SOL_SOCKET, SO_KEEPALIVE, true},
    {SOL_SOCKET, SO_LINGER, true},
    {SOL_SOCKET, SO_MARK, true},
    {SOL_SOCKET, SO_MAX_PACING_RATE, true},
    {SOL_SOCKET, SO_MEMINFO, false},
    {SOL_SOCKET, SO_OOBINLINE, true},
    {SOL_SOCKET, SO_PEERCRED, false},
    {SOL_SOCKET, SO_PRIORITY, true},
    {SOL_SOCKET, SO_PROTOCOL, false},
    {SOL_SOCKET, SO_RCVBUF, true},
    {SOL_SOCKET, SO_REUSEADDR, true},
    {SOL_SOCKET, SO_REUSEPORT, true},
    {SOL_SOCKET, SO_SNDBUF, true},
    {SOL_SOCKET, SO_TYPE, false},
    {IPPROTO_TCP, TCP_CC_INFO, false},
    {IPPROTO_TCP, TCP_CONGESTION, true},
    {IPPROTO_TCP, TCP_CORK, true},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, true},
    {IPPROTO_TCP, TCP_FASTOPEN, false},
    {IPPROTO_TCP, TCP_INFO, false},
    {IPPROTO_TCP, TCP_KEEPCNT, true},
    {IPPROTO_TCP, TCP_KEEPIDLE, true},
    {IPPROTO_TCP, TCP_KEEPINTVL, true},
    {IPPROTO_TCP, TCP_LINGER2, true},
    {IPPROTO_TCP, TCP_MAXSEG, true},
    {IPPROTO_TCP, TCP_NODELAY, true},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, true},
    {IPPROTO_TCP, TCP_QUICKACK, true},
    {IPPROTO_TCP, TCP_SYNCNT, true},
    {IPPROTO_TCP, TCP_THIN_DUPACK, true},
    {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, true},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, true},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, true},
    {IPPROTO_IP, IP_FREEBIND, false},
    {IPPROTO_IP, IP_MTU, false},
    {IPPROTO_IP, IP_MTU_DISCOVER, true},
    {IPPROTO_IP, IP_OPTIONS, false},
    {IPPROTO_IP, IP_TOS, true},
    {IPPROTO_IP, IP_TRANSPARENT, false},
    {IPPROTO_IP, IP_TTL, true},
    {IPPROTO_IP, SO_ORIGINAL_DST, false},
    {IPPROTO_IPV6, IPV6_MTU, false},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, true},
    {IPPROTO_IPV6, IPV6_TCLASS, true},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, true},
    {IPPROTO_IPV6, IPV6_V6ONLY, false},
};

static const struct option *find_option(int level, int option)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].level == level && options[i].option == option)
			return &options[i];
	return NULL;
}

bool tg_option_may_get(int level, int option)
{
	return find_option(level, option) != NULL;
}

bool tg_option_may_set(int level, int option)
{
	const struct option *known = find_option(level, option);

	return known != NULL && known->may_set;
}
