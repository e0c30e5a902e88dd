#include "cli/doctor.h"

#include <errno.h>

int tg_doctor_process(const struct tg_doctor *doctor, pid_t pid, struct tg_findings *findings)
{
	(void)doctor;
	(void)pid;
	(void)findings;
	return -ENOSYS;
}
