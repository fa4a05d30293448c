import type { NextConfig } from 'next';

const config: NextConfig = {
  // Without a root Next looks upwards for lock files and may pick the repository's folder.
  turbopack: { root: import.meta.dirname },
};

export default config;
