import { withPalisade } from '@palisade-gate/next/config';
import type { NextConfig } from 'next';

const config: NextConfig = {
  // Without a root Next looks upwards for lock files and may pick the repository's folder.
  turbopack: { root: import.meta.dirname },
  // Two bundlers may build side by side.
  distDir: process.env.DIST_DIR ?? '.next',
};

// The other file shares its state: see there.
export default withPalisade(config, { policy: process.env.SHARED ? 'palisade.shared.toml' : 'palisade.toml' });
