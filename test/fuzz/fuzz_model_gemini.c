/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum model_api apis[] = {MODEL_GEMINI, MODEL_GEMINI};

    for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
        const struct model_call call = call_of(apis[i]);

        if (size == 0 || (i > 0 && apis[i] == apis[0]))
            break;
        fuzz_reply(&call, (const char *)data, size);
        fuzz_cut(&call, (const char *)data, size, true);
        fuzz_cut(&call, (const char *)data, size, false);
    }
    return 0;
}
