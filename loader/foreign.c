/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/foreign.h"

#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include <string.h>

#define REQUEST "a request for a certificate (CSR): the CA answers it with the certificate that belongs here"
#define PKCS7_WORDS "PKCS#7: take the certificates out: openssl pkcs7 -print_certs -in OLD -out NEW.pem"
#define SSH "a key of SSH: convert it: ssh-keygen -p -m PKCS8 -f FILE"

static const struct {
	const char *label;
	const char *words;
} blocks[] = {
    {"CERTIFICATE REQUEST", ", but " REQUEST},
    {"NEW CERTIFICATE REQUEST", ", but " REQUEST},
    {"PKCS7", ", but " PKCS7_WORDS},
    {"PKCS #7 SIGNED DATA", ", but " PKCS7_WORDS},
    {"CMS", ", but " PKCS7_WORDS},
    {"OPENSSH PRIVATE KEY", ", but " SSH},
    {"SSH2 ENCRYPTED PRIVATE KEY", ", but " SSH},
    {"DSA PRIVATE KEY", ", but a DSA key, which cannot serve TLS"},
    {"PGP PRIVATE KEY BLOCK", ", but a key of OpenPGP"},
    {"PGP PUBLIC KEY BLOCK", ", but a key of OpenPGP"},
    {"PGP SIGNED MESSAGE", ", but a message of OpenPGP"},
    {"ATTRIBUTE CERTIFICATE", ", but an attribute certificate"},
};

const char *tg_foreign_block(const char *label)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (strcmp(blocks[i].label, label) == 0)
			return blocks[i].words;
	return "";
}

static const struct {
	const char *magic;
	size_t length;
	bool text;
	const char *words;
} files[] = {
    {"\xfe\xed\xfe\xed", 4, false,
     "is a Java keystore (JKS): convert it: keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 "
     "-deststoretype PKCS12"},
    {"\xce\xce\xce\xce", 4, false,
     "is a Java keystore (JCEKS): convert it: keytool -importkeystore -srckeystore OLD -srcstoretype "
     "JCEKS -destkeystore NEW.p12 -deststoretype PKCS12"},
    {"\xff\xfe", 2, false, "is UTF-16, as some editors write it: save it as UTF-8 or ASCII"},
    {"\xfe\xff", 2, false, "is UTF-16, as some editors write it: save it as UTF-8 or ASCII"},
    {"-\0", 2, false, "is UTF-16 without a byte order mark: save it as UTF-8 or ASCII"},
    {"\0-", 2, false, "is UTF-16 without a byte order mark: save it as UTF-8 or ASCII"},
    {"\xb0\xb5\xf1\x1e", 4, false, "is a PVK file: convert it: openssl rsa -inform PVK -in OLD -out NEW.pem"},
    {"\x1e\xf1\xb5\xb0", 4, false, "is a PVK file: convert it: openssl rsa -inform PVK -in OLD -out NEW.pem"},
    {"PuTTY-User-Key-File", 19, true,
     "is a key of PuTTY: convert it: puttygen OLD -O private-openssh -o NEW; ssh-keygen -p -m PKCS8 -f NEW"},
    {"SSH PRIVATE KEY FILE", 20, true, "is " SSH},
    {"ssh-", 4, true, "is a public key of SSH"},
    {"ecdsa-sha2-", 11, true, "is a public key of SSH"},
    {"PK\x03\x04", 4, false, "is a ZIP archive: unpack it"},
    {"\x1f\x8b", 2, false, "is compressed by gzip: unpack it"},
    {"\x7f"
     "ELF",
     4, false, "is a program"},
    {"{", 1, false, "is JSON: take the PEM text out of it"},
};

const char *tg_foreign_file(const unsigned char *bytes, size_t size, bool text)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].text == text && size >= files[i].length && memcmp(bytes, files[i].magic, files[i].length) == 0)
			return files[i].words;
	return NULL;
}

const char *tg_foreign_der(const unsigned char *bytes, size_t size)
{
	const unsigned char *at = bytes;
	X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)size);
	PKCS7 *pkcs7;
	EVP_PKEY *key;

	X509_REQ_free(request);
	if (request)
		return "is " REQUEST;
	at = bytes;
	key = d2i_PUBKEY(NULL, &at, (long)size);
	EVP_PKEY_free(key);
	if (key)
		return "is a public key: neither certificate, private key nor CRL";
	at = bytes;
	pkcs7 = d2i_PKCS7(NULL, &at, (long)size);
	PKCS7_free(pkcs7);
	if (pkcs7)
		return "is PKCS#7: take the certificates out: openssl pkcs7 -inform DER -print_certs -in OLD -out NEW.pem";
	return NULL;
}
