#include "situations.h"

const struct single singles_descriptors[] = {
    {0},
};
