// SPDX-License-Identifier: Apache-2.0
//
// The real agents under test: where their program is, and how it is pointed at
// a scripted model instead of a provider. `folder` is what install.sh printed.
import fs from 'node:fs';
import path from 'node:path';

const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
const triple = process.arch === 'arm64' ? 'aarch64' : 'x86_64';

export const agents = {
    claude: {
        program: (folder) =>
            path.join(folder, `node_modules/@anthropic-ai/claude-code-linux-${arch}/claude`),
        arguments: ['-p', '--dangerously-skip-permissions', 'do what you are told'],
        setup() {},
        environment: (origin) => ({
            ANTHROPIC_BASE_URL: origin,
            ANTHROPIC_API_KEY: 'sk-ant-fake',
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
            DISABLE_AUTOUPDATER: '1',
            IS_SANDBOX: '1', // root may skip permissions only with this
        }),
    },
    codex: {
        program: (folder) =>
            path.join(folder, `node_modules/@openai/codex-linux-${arch}`,
                `vendor/${triple}-unknown-linux-musl/bin/codex`),
        arguments: ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox',
            'do what you are told'],
        setup(home, origin) {
            fs.mkdirSync(path.join(home, '.codex'), { mode: 0o700 });
            fs.writeFileSync(path.join(home, '.codex/config.toml'), [
                'model = "gpt-5-codex"',
                'model_provider = "scripted"',
                'check_for_update_on_startup = false',
                '[analytics]',
                'enabled = false',
                '[features]', // those that would ask other hosts
                'apps = false',
                'plugins = false',
                'remote_plugin = false',
                '[model_providers.scripted]',
                'name = "scripted"',
                `base_url = "${origin}/v1"`,
                'wire_api = "responses"',
                'env_key = "SCRIPTED_KEY"',
                '',
            ].join('\n'));
        },
        environment: () => ({ SCRIPTED_KEY: 'fake' }),
    },
};
