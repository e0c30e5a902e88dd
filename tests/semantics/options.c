#include "situations.h"

const struct single singles_options[] = {
    {0},
};
