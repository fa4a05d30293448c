/** @type {import('next').NextConfig} */
export default {
  // Without a root Next looks upwards for lock files and may pick the repository's folder.
  turbopack: { root: import.meta.dirname },
};
