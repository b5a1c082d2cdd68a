// The roles that the program can take.
export const ROLES = [
  'features',
  'scoring',
  'shadow',
  'lifecycle',
  'training',
  'monitoring',
  'analytics',
  'gateway',
] as const;
export type Role = (typeof ROLES)[number];
