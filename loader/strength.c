/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/strength.h"

#include "loader/describe.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

/* Bits of strength that each level demands: SSL_CTX_set_security_level(3). */
static const int level_bits[] = {0, 80, 112, 128, 192, 256};

static int highest_level(int bits)
{
	int level = 0;

	while (level < 5 && level_bits[level + 1] <= bits)
		level++;
	return level;
}

const char *tg_certificate_weak(struct tg_arena *arena, X509 *certificate, int security_level)
{
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	int digest = NID_undef, signature_bits = -1, key_bits;
	char type[TG_KEY_TYPE_SIZE];

	if (!key)
		return "holds a public key of an unknown kind";
	if (security_level < 0 || security_level > 5)
		security_level = security_level < 0 ? 0 : 5;
	key_bits = EVP_PKEY_get_security_bits(key);
	tg_key_type(key, type);
	if (key_bits < level_bits[security_level])
		return tg_arena_format(arena,
				       "its %s key of %d bits is too weak for security level %d: issue it anew with a "
				       "stronger key, or set security_level = %d",
				       type, EVP_PKEY_get_bits(key), security_level, highest_level(key_bits));
	if (X509_get_extension_flags(certificate) & EXFLAG_SS)
		return NULL;
	if (X509_get_signature_info(certificate, &digest, NULL, &signature_bits, NULL) != 1)
		return "is signed in an unknown way";
	if (signature_bits < level_bits[security_level])
		return tg_arena_format(arena,
				       "its signature with %s is too weak for security level %d: have it signed anew with "
				       "SHA-256, or set security_level = %d",
				       digest != NID_undef ? OBJ_nid2ln(digest) : "this algorithm", security_level,
				       highest_level(signature_bits));
	return NULL;
}
