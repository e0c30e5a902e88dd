/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/stream/proxy_header.h"

#include <string.h>

/* Section 2.2 and its subsections. */
#define VERSION_2_PROXY 0x21
#define UNKNOWN 0x00
#define TCP_OVER_IPV4 0x11
#define TCP_OVER_IPV6 0x21
#define TYPE_ALPN 0x01
#define TYPE_AUTHORITY 0x02
#define TYPE_SSL 0x20
#define SUBTYPE_SSL_VERSION 0x21
#define SUBTYPE_SSL_CN 0x22
#define SUBTYPE_SSL_CIPHER 0x23
#define SUBTYPE_SSL_GROUP 0x26
#define SUBTYPE_SSL_SIG_SCHEME 0x27
#define SUBTYPE_SSL_CLIENT_CERT 0x28
#define CLIENT_SSL 0x01
#define CLIENT_CERT_CONN 0x02
#define CLIENT_CERT_SESS 0x04

#define FIXED_SIZE 16 /* signature, version and command, family, length */
#define TEXT_MAX 255  /* of each text: a host name has at most 253 characters, a common name 64 (RFC 5280) */
#define LENGTH_MAX 65535

static unsigned char *put_u16(unsigned char *at, size_t value)
{
	*at++ = (unsigned char)(value >> 8);
	*at++ = (unsigned char)value;
	return at;
}

static unsigned char *put_text(unsigned char *at, unsigned char type, const void *data, size_t size)
{
	if (size == 0 || size > TEXT_MAX)
		return at;
	*at++ = type;
	at = put_u16(at, size);
	return mempcpy(at, data, size);
}

static unsigned char *put_name(unsigned char *at, unsigned char type, const char *name)
{
	return name == NULL ? at : put_text(at, type, name, strlen(name));
}

static unsigned char *put_addresses(unsigned char *at, const struct tg_proxy_facts *facts)
{
	size_t size = facts->peer.family == 4 ? 4 : 16;

	at = mempcpy(at, facts->peer.bytes, size);
	at = mempcpy(at, facts->local.bytes, size);
	at = put_u16(at, facts->peer.port);
	return put_u16(at, facts->local.port);
}

static unsigned char *put_tls(unsigned char *at, const struct tg_proxy_tls *tls)
{
	at = put_text(at, TYPE_ALPN, tls->protocol.data, tls->protocol.size);
	at = put_name(at, TYPE_AUTHORITY, tls->authority);
	*at++ = TYPE_SSL;
	unsigned char *length = at;
	at += 2;
	*at = CLIENT_SSL;
	if (tls->has_certificate)
		*at |= tls->in_connection ? CLIENT_CERT_CONN | CLIENT_CERT_SESS : CLIENT_CERT_SESS;
	at = put_u16(at + 1, tls->verify >> 16);
	at = put_u16(at, tls->verify & 0xffff);
	at = put_name(at, SUBTYPE_SSL_VERSION, tls->version);
	at = put_name(at, SUBTYPE_SSL_CIPHER, tls->cipher);
	at = put_text(at, SUBTYPE_SSL_CN, tls->name.data, tls->name.size);
	at = put_name(at, SUBTYPE_SSL_GROUP, tls->group);
	at = put_name(at, SUBTYPE_SSL_SIG_SCHEME, tls->scheme);
	if (tls->certificate.size > 0) {
		*at++ = SUBTYPE_SSL_CLIENT_CERT;
		at = put_u16(at, tls->certificate.size);
	}
	put_u16(length, (size_t)(at - length - 2) + tls->certificate.size);
	return at;
}

size_t tg_proxy_header(const struct tg_proxy_facts *facts, unsigned char ret[TG_PROXY_HEADER_SIZE])
{
	static const unsigned char signature[] = "\r\n\r\n\0\r\nQUIT\n";
	unsigned char *at = mempcpy(ret, signature, sizeof(signature) - 1);

	*at++ = VERSION_2_PROXY;
	*at++ = !facts->has_addresses ? UNKNOWN : facts->peer.family == 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
	at += 2;
	if (facts->has_addresses)
		at = put_addresses(at, facts);
	if (facts->tls != NULL)
		at = put_tls(at, facts->tls);
	size_t length = (size_t)(at - ret) - FIXED_SIZE;
	if (facts->tls != NULL)
		length += facts->tls->certificate.size;
	if (length > LENGTH_MAX)
		return 0;
	put_u16(ret + FIXED_SIZE - 2, length);
	return (size_t)(at - ret);
}
