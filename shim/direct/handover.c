#include "shim/direct/handover.h"

#include <errno.h>

int tg_handover(int fd)
{
	(void)fd;
	return -ENOSYS;
}

int tg_handover_rest(int fd, const void *data, size_t size)
{
	(void)fd;
	(void)data;
	(void)size;
	return -ENOSYS;
}

bool tg_handover_is(int fd, struct sockaddr_storage *ret_local, struct sockaddr_storage *ret_peer)
{
	(void)fd;
	(void)ret_local;
	(void)ret_peer;
	return false;
}
