import { Role } from "../gen/tocsin/access/v1/access_pb";

const NAMES: Record<Role, string> = {
  [Role.UNSPECIFIED]: "nobody",
  [Role.VIEWER]: "viewer",
  [Role.RESPONDER]: "responder",
  [Role.MANAGER]: "manager",
  [Role.ADMIN]: "administrator",
};

export function roleName(role: Role): string {
  return NAMES[role] ?? "unknown role";
}

/** Roles include the ones below them. */
export function includes(role: Role, needed: Role): boolean {
  return role >= needed;
}
